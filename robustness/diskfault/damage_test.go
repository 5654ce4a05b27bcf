package diskfault

import (
	"bytes"
	"errors"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// preallocated is a file with two written parts, between zeros.
func preallocated(t *testing.T) (path string, content []byte) {
	t.Helper()
	content = make([]byte, 1<<20)
	copy(content[5000:], bytes.Repeat([]byte{0xff}, 700))
	copy(content[300_000:], "the end")
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func holds(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestFlipBitFlipsOneOfThoseThatWereWritten(t *testing.T) {
	path, want := preallocated(t)
	rng := rand.New(rand.NewPCG(1, 1))
	parts := map[bool]int{}
	for range 50 {
		d, err := FlipBit(rng, path)
		if err != nil {
			t.Fatal(err)
		}
		got := holds(t, path)
		if n := bits.OnesCount8(got[d.At] ^ want[d.At]); n != 1 {
			t.Fatalf("%v: %d bits are flipped", d, n)
		}
		got[d.At] = want[d.At]
		if !bytes.Equal(got, want) {
			t.Fatalf("%v: more has changed than that", d)
		}
		if d.At < 4608 || d.At >= 6144 && d.At < 299_520 || d.At >= 300_007 {
			t.Fatalf("%v: nothing was written there", d)
		}
		parts[d.At < 6144]++
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(parts) != 2 {
		t.Errorf("it flips in one part only: %v", parts)
	}
}

func TestZeroTailAndTruncateCountFromTheEndOfWhatWasWritten(t *testing.T) {
	path, want := preallocated(t)
	d, err := ZeroTail(path, 3)
	copy(want[300_004:], "\x00\x00\x00")
	if got := holds(t, path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: %v", d, err)
	}
	d, err = Truncate(path, 3)
	if got := holds(t, path); err != nil || !bytes.Equal(got, want[:300_001]) {
		t.Errorf("%v: %v; %d bytes are left", d, err, len(got))
	}
	d, err = Truncate(path, 1<<30)
	if got := holds(t, path); err != nil || len(got) != 0 {
		t.Errorf("%v: %v; %d bytes are left", d, err, len(got))
	}
}

func TestDamageNeedsSomethingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := FlipBit(rand.New(rand.NewPCG(1, 1)), path); !errors.Is(err, errNothingWritten) {
		t.Errorf("a file of zeros: %v", err)
	}
	if _, err := ZeroTail(path+"?", 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
