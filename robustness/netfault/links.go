package netfault

import "slices"

// Link is a direction: the packets that leave From for To.
type Link struct{ From, To string }

// String is as in "m1 to m2".
func (l Link) String() string { return l.From + " to " + l.To }

// OneWay are the links from each of some to each of others.
func OneWay(from, to []string) []Link {
	var links []Link
	for _, f := range from {
		for _, t := range to {
			if f != t {
				links = append(links, Link{f, t})
			}
		}
	}
	return links
}

// Both are the two links between two.
func Both(a, b string) []Link { return []Link{{a, b}, {b, a}} }

// Split are the links between groups: those of one group keep each other.
func Split(groups ...[]string) []Link {
	var links []Link
	for i, from := range groups {
		for j, to := range groups {
			if i != j {
				links = append(links, OneWay(from, to)...)
			}
		}
	}
	return links
}

// Isolate are the links between one and others. It may be among the others.
func Isolate(one string, others ...string) []Link {
	return Split([]string{one}, others)
}

// Bridge are the links between two halves of the others, which only the one in the middle still connects. It may be among them.
func Bridge(middle string, others ...string) []Link {
	rest := slices.DeleteFunc(slices.Clone(others), func(name string) bool { return name == middle })
	half := len(rest) / 2
	return Split(rest[:half], rest[half:])
}

// Ring are the links between those that are not neighbours, the last being one of the first. Of five, each keeps a majority, and
// no two keep the same.
func Ring(names ...string) []Link {
	var links []Link
	for i, from := range names {
		for j, to := range names {
			if apart := (j - i + len(names)) % len(names); apart > 1 && apart < len(names)-1 {
				links = append(links, Link{from, to})
			}
		}
	}
	return links
}
