// Package proc reads what Linux tells about a process under /proc: CPU time and memory.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, which is 100 on every Linux architecture that Go supports.
const ticksPerSecond = 100

// CPU is the user and system time that all threads of a process have used, in steps of 10 ms.
func CPU(pid int) (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(data)
}

// parseStat reads fields 14 and 15 of /proc/PID/stat (proc_pid_stat(5)). The second field is a program name in
// parentheses that may hold spaces and parentheses itself, so counting starts behind the last one.
func parseStat(data []byte) (time.Duration, error) {
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("unexpected format of /proc/PID/stat: %q", data)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return 0, fmt.Errorf("unexpected format of /proc/PID/stat: %w", err)
	}
	return time.Duration(user+system) * (time.Second / ticksPerSecond), nil
}

// Memory is a process's resident memory in bytes.
type Memory struct {
	RSS  int64 // now
	Anon int64 // the part of RSS that is no mapped file
	Peak int64 // highest RSS since the start or the last ResetPeak
}

// ReadMemory returns the memory of a process.
func ReadMemory(pid int) (Memory, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	return parseStatus(string(data))
}

func parseStatus(data string) (Memory, error) {
	var m Memory
	for _, want := range []struct {
		name string
		to   *int64
	}{{"VmRSS:", &m.RSS}, {"RssAnon:", &m.Anon}, {"VmHWM:", &m.Peak}} {
		_, rest, ok := strings.Cut(data, want.name)
		if !ok {
			return Memory{}, fmt.Errorf("/proc/PID/status has no line %s", want.name)
		}
		var kib int64
		if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
			return Memory{}, fmt.Errorf("unexpected format of %s in /proc/PID/status: %w", want.name, err)
		}
		*want.to = kib << 10
	}
	return m, nil
}

// ResetPeak makes Memory.Peak start again at the present RSS.
func ResetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}
