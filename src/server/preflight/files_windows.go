package preflight

import "golang.org/x/sys/windows"

// hasModes: permissions of files say nothing here.
const hasModes = false

// writable can not be told without writing.
func writable(string) error { return nil }

// freeBytes is what this user may still write to the volume of dir.
func freeBytes(dir string) (free uint64, known bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err == nil
}
