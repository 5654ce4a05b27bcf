// Package human writes numbers for people.
package human

import (
	"fmt"
	"math"
)

// Bytes writes a size in decimal units with two significant digits at least: "20 kB", "2.1 GB".
func Bytes(n uint64) string {
	if n < 10 {
		return fmt.Sprintf("%d B", n)
	}
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	value = math.Floor(value*10+0.5) / 10
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}
