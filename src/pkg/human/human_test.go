package human

import "testing"

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 9: "9 B", 10: "10 B", 995: "995 B", 999: "999 B", 1000: "1.0 kB", 9950: "10 kB", 20480: "20 kB",
		999949: "1000 kB", 1_000_000: "1.0 MB", 2147483648: "2.1 GB", 1 << 62: "4.6 EB", 1<<64 - 1: "18 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes: got %q, want %q", n, got, want)
		}
	}
}
