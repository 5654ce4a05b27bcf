package subnet

import (
	"testing"
)

func TestNoTwoClaimsAreForOneSubnet(t *testing.T) {
	seen := map[int]bool{}
	for range 20 {
		s, err := Claim()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Release()
		if seen[s.N] {
			t.Fatalf("subnet %d was claimed twice", s.N)
		}
		seen[s.N] = true
	}
}

func TestWhatIsClaimedIsNotCleaned(t *testing.T) {
	s, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	called := false
	if err := Unclaimed(s.N, func() error { called = true; return nil }); err != nil || called {
		t.Fatalf("a subnet that is claimed was handed out to be cleaned (error: %v)", err)
	}
	s.Release()
	if err := Unclaimed(s.N, func() error { called = true; return nil }); err != nil || !called {
		t.Fatalf("a subnet that is free was not handed out to be cleaned (error: %v)", err)
	}
}

func TestAddresses(t *testing.T) {
	s := &Subnet{N: 7}
	first, _ := s.Node(0)
	last, err := s.Node(252)
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		s.Prefix().String(): "10.213.7.0/24", s.Lab().String(): "10.213.7.1", first.String(): "10.213.7.2", last.String(): "10.213.7.254",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if addr, err := s.Node(253); err == nil {
		t.Errorf("one node too many got the address %s", addr)
	}
}
