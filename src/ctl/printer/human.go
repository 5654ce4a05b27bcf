package printer

import "fmt"

// percentNotInUse is the share of a database file that a defragmentation would give back, rounded up to whole percents.
func percentNotInUse(sizeBytes, inUseBytes int64) string {
	if sizeBytes == 0 {
		return "0%"
	}
	return fmt.Sprintf("%d%%", 100-inUseBytes*100/sizeBytes)
}
