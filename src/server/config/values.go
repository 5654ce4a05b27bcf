package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"quoin.dev/pkg/clusterurl"
)

// The types below are flag values that the flag package does not have. Their Set returns the sentence that the flag
// package appends to `invalid value "x" for flag -name: `.

// millis is a count of milliseconds on the command line and a duration in the configuration.
type millis time.Duration

func (m *millis) String() string { return strconv.FormatInt(time.Duration(*m).Milliseconds(), 10) }
func (m *millis) Set(s string) error {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return errors.New("parse error")
	}
	*m = millis(time.Duration(n) * time.Millisecond)
	return nil
}

// seconds is a count of seconds on the command line and a duration in the configuration.
type seconds time.Duration

func (m *seconds) String() string { return strconv.FormatInt(int64(time.Duration(*m).Seconds()), 10) }
func (m *seconds) Set(s string) error {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return errors.New("parse error")
	}
	*m = seconds(time.Duration(n) * time.Second)
	return nil
}

type uint32Value uint32

func (v *uint32Value) String() string { return strconv.FormatUint(uint64(*v), 10) }
func (v *uint32Value) Set(s string) error {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		// The flag package would only say "parse error"; etcd passes the reason on.
		return err
	}
	*v = uint32Value(n)
	return nil
}

// urlList is a comma-separated list of URLs without repetition. An empty text leaves the default in place, since
// unit files and charts pass empty values for "not set".
type urlList struct {
	urls     *[]url.URL
	fallback string
}

func (v urlList) String() string {
	if v.urls == nil {
		return ""
	}
	return strings.Join(Strings(*v.urls), ",")
}

func (v urlList) Set(s string) error {
	if strings.TrimSpace(s) == "" {
		s = v.fallback
	}
	*v.urls = nil
	if s == "" {
		return nil
	}
	seen := map[string]bool{}
	for raw := range strings.SplitSeq(s, ",") {
		u, err := clusterurl.Parse(raw)
		if err != nil {
			return err
		}
		if !seen[u.String()] {
			seen[u.String()] = true
			*v.urls = append(*v.urls, u)
		}
	}
	return nil
}

// originList is the CORS list: URLs, or "*" for every origin.
type originList []string

func (v *originList) String() string { return strings.Join(*v, ",") }
func (v *originList) Set(s string) error {
	if s == "*" || s == "" {
		*v = originList{"*"}
		return nil
	}
	var list originList
	for raw := range strings.SplitSeq(s, ",") {
		if raw != "*" {
			if _, err := clusterurl.Parse(raw); err != nil {
				return err
			}
		}
		list = append(list, strings.TrimSpace(raw))
	}
	*v = list
	return nil
}

// stringList is a comma-separated list; unique drops repetitions.
type stringList struct {
	list   *[]string
	unique bool
}

func (v stringList) String() string {
	if v.list == nil {
		return ""
	}
	return strings.Join(*v.list, ",")
}

func (v stringList) Set(s string) error {
	*v.list = nil
	if s == "" {
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if !v.unique || !slices.Contains(*v.list, part) {
			*v.list = append(*v.list, part)
		}
	}
	return nil
}

// choice is a text out of a fixed set.
type choice struct {
	value   *string
	allowed []string
	refuse  func(s string) error
}

func (v choice) String() string {
	if v.value == nil {
		return ""
	}
	return *v.value
}

func (v choice) Set(s string) error {
	if !slices.Contains(v.allowed, s) {
		return v.refuse(s)
	}
	*v.value = s
	return nil
}

func refuseShort(string) error    { return errors.New("invalid value") }
func refuseQuoted(s string) error { return fmt.Errorf("invalid value %q", s) }

// ignored accepts anything for a flag that etcd retired, so that old unit files still start.
type ignored struct {
	name string
	warn func(string)
}

func (v ignored) String() string   { return "" }
func (v ignored) IsBoolFlag() bool { return true }
func (v ignored) Set(string) error {
	v.warn("ignoring flag --" + v.name + ", which has no effect since etcd 3.x")
	return nil
}
