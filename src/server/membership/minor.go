package membership

import (
	"cmp"
	"fmt"

	"github.com/coreos/go-semver/semver"
)

// Minor is a version without its patch level: what members of a cluster have to agree on.
type Minor struct{ Major, Minor int64 }

// ParseMinor reads a version such as "3.7.3" or "3.7.0-rc.1".
func ParseMinor(version string) (Minor, error) {
	v, err := semver.NewVersion(version)
	if err != nil {
		return Minor{}, err
	}
	return Minor{v.Major, v.Minor}, nil
}

// ParseTarget reads the version that an operator wants a cluster to go to: as ParseMinor, or "3.6" alone.
func ParseTarget(text string) (Minor, error) {
	m, err := ParseMinor(text)
	if err != nil {
		return ParseMinor(text + ".0")
	}
	return m, nil
}

// Compare is negative when m is older, positive when it is newer.
func (m Minor) Compare(other Minor) int {
	return cmp.Or(cmp.Compare(m.Major, other.Major), cmp.Compare(m.Minor, other.Minor))
}

// Before tells whether other is the minor version that follows m.
func (m Minor) Before(other Minor) bool { return m.Major == other.Major && m.Minor+1 == other.Minor }

// String is the short form, "3.7".
func (m Minor) String() string { return fmt.Sprintf("%d.%d", m.Major, m.Minor) }

// ClusterVersion is the form in which rows and entries hold it, "3.7.0".
func (m Minor) ClusterVersion() string { return m.String() + ".0" }
