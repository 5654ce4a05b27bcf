// Package compare finds the first difference between two files, and looks into archives, packages and images to name it.
package compare

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// maxDepth bounds how deep containers are opened: an image holds an archive of compressed archives of files.
const maxDepth = 8

// Files returns "" for two files of the same bytes, else where they differ first: the way through members of containers,
// then what is there. The first is called the release, the second the rebuild.
func Files(release, rebuild string) (string, error) {
	a, err := os.ReadFile(release)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(rebuild)
	if err != nil {
		return "", err
	}
	return Bytes(a, b), nil
}

// Bytes is Files for contents that are in memory.
func Bytes(release, rebuild []byte) string {
	if bytes.Equal(release, rebuild) {
		return ""
	}
	return strings.Join(difference(release, rebuild, 0), " > ")
}

// difference returns the way to the first difference of two unequal contents.
func difference(a, b []byte, depth int) []string {
	format := formatOf(a)
	if depth == maxDepth || format == nil || formatOf(b) != format {
		return []string{firstByte(a, b)}
	}
	inA, errA := format.open(a)
	inB, errB := format.open(b)
	if errA != nil || errB != nil {
		return []string{firstByte(a, b)}
	}
	for i := range max(len(inA), len(inB)) {
		switch {
		case i >= len(inA):
			return []string{fmt.Sprintf("%s is only in the rebuild", inB[i].name)}
		case i >= len(inB):
			return []string{fmt.Sprintf("%s is only in the release", inA[i].name)}
		case inA[i].name != inB[i].name:
			return []string{fmt.Sprintf("member %d is %s in the release and %s in the rebuild", i+1, inA[i].name, inB[i].name)}
		case inA[i].header != inB[i].header:
			return []string{inA[i].name, fmt.Sprintf("it has %q in the release and %q in the rebuild", inA[i].header, inB[i].header)}
		case !bytes.Equal(inA[i].data, inB[i].data):
			return append([]string{inA[i].name}, difference(inA[i].data, inB[i].data, depth+1)...)
		}
	}
	// All members are equal: what differs is how the container holds them.
	return []string{format.name + " container, with equal members", firstByte(a, b)}
}

func firstByte(a, b []byte) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("byte %d of %d is 0x%02x in the release and 0x%02x in the rebuild", i, len(a), a[i], b[i])
		}
	}
	return fmt.Sprintf("the release has %d bytes and the rebuild %d, equal as far as both go", len(a), len(b))
}
