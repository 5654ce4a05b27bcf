package membership_test

import (
	"testing"

	"quoin.dev/server/membership"
)

// What etcd 3.7.3 takes and refuses as the target of a downgrade.
func TestTargets(t *testing.T) {
	for text, want := range map[string]string{
		"3.6": "3.6.0", "3.6.0": "3.6.0", "3.6.1": "3.6.0", "3.6.1-rc.1": "3.6.0", "03.6": "3.6.0", "4.6": "4.6.0",
		"": "", "3": "", "v3.6": "", "3.6.": "", "3.6.1.2": "", " 3.6": "", "abc": "",
	} {
		got, err := membership.ParseTarget(text)
		if (err == nil) != (want != "") || err == nil && got.ClusterVersion() != want {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want)
		}
	}
}

func TestOrderOfMinors(t *testing.T) {
	old, now, next := membership.Minor{Major: 3, Minor: 6}, membership.Minor{Major: 3, Minor: 7}, membership.Minor{Major: 4}
	if old.Compare(now) >= 0 || next.Compare(now) <= 0 || now.Compare(now) != 0 {
		t.Error("the order is wrong")
	}
	if !old.Before(now) || now.Before(old) || now.Before(next) || old.Before(old) {
		t.Error("only 3.6 comes right before 3.7")
	}
}
