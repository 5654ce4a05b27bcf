package lab

import (
	"bytes"
	"os"
	"testing"
)

// LogCount is how often the log of the member, from all its runs, has a text.
func (m *Member) LogCount(t testing.TB, text string) int {
	t.Helper()
	data, err := os.ReadFile(m.log)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(data, []byte(text))
}
