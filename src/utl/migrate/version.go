// Package migrate changes the storage version of a data directory whose member does not run.
package migrate

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a storage version; its patch level is always 0 and not written down here.
type Version struct{ Major, Minor int64 }

// The versions that this build can lead from and to.
var (
	oldest = Version{3, 5}
	newest = Version{3, 7}
)

// FormatError means that a text is no "X.Y".
type FormatError struct{ Text string }

func (e *FormatError) Error() string {
	return fmt.Sprintf("wrong target version format, expected \"X.Y\", got %q", e.Text)
}

// Parse reads "X.Y".
func Parse(text string) (Version, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 2 {
		return Version{}, &FormatError{text}
	}
	var numbers [2]int64
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			return Version{}, fmt.Errorf("failed to parse target version: %w", err)
		}
		numbers[i] = n
	}
	return Version{numbers[0], numbers[1]}, nil
}

// ParseFull reads "X.Y.Z" and leaves Z out.
func ParseFull(text string) (Version, error) {
	last := strings.LastIndexByte(text, '.')
	if strings.Count(text, ".") != 2 {
		return Version{}, fmt.Errorf("storage version %q is not of the form X.Y.Z", text)
	}
	return Parse(text[:last])
}

// ParseTarget reads --target-version.
func ParseTarget(text string) (Version, error) {
	v, err := Parse(text)
	if err == nil && v.less(oldest) {
		return v, fmt.Errorf("target version %q not supported. Minimal %q", text, oldest)
	}
	return v, err
}

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Full is the version as it stands in a file.
func (v Version) Full() string { return v.String() + ".0" }

func (v Version) less(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

func (v Version) max(w Version) Version {
	if v.less(w) {
		return w
	}
	return v
}

// steps are the versions on the way from one to another, one minor at a time, without the first.
func steps(from, to Version) ([]Version, error) {
	switch {
	case from.Major != to.Major:
		return nil, fmt.Errorf("cannot create migration plan: changing major storage version is not supported")
	case newest.less(to):
		return nil, fmt.Errorf("cannot create migration plan: version %q is not supported", to.Full())
	case newest.less(from) || from.less(oldest):
		return nil, fmt.Errorf("cannot create migration plan: version %q is not supported", from.Full())
	}
	var out []Version
	for v := from; v != to; out = append(out, v) {
		if v.less(to) {
			v.Minor++
		} else {
			v.Minor--
		}
	}
	return out, nil
}
