package node

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Handles tells whether a process catches a signal.
func Handles(pid int, s syscall.Signal) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, mask, _ := bytes.Cut(data, []byte("\nSigCgt:\t"))
	mask, _, _ = bytes.Cut(mask, []byte("\n"))
	caught, err := strconv.ParseUint(string(mask), 16, 64)
	return err == nil && caught&(1<<(s-1)) != 0
}
