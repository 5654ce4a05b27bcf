package client

// fromKey is the end of the interval of all keys from its begin on.
const fromKey = "\x00"

// GetPrefixRangeEnd returns the end of the interval of all keys with the prefix: the first key after them.
func GetPrefixRangeEnd(prefix string) string { return string(prefixEnd([]byte(prefix))) }

func prefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			end := append([]byte(nil), prefix[:i+1]...)
			end[i]++
			return end
		}
	}
	// Every key with this prefix, of nothing or 0xff bytes only, is at the end of the key space.
	return []byte(fromKey)
}
