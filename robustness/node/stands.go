package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// Stands tells whether every thread of a process is held by SIGSTOP, which takes a moment to reach them all.
func Stands(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, file := range threads {
		data, err := os.ReadFile(file)
		// The state is behind the name in brackets. A thread that has ended meanwhile does not run.
		if i := bytes.LastIndex(data, []byte(") ")); err == nil && (i < 0 || data[i+2] != 'T') {
			return false
		}
	}
	return true
}
