package txntext

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"quoin.dev/client"
)

// errMalformed begins every error about the form of a comparison.
var errMalformed = errors.New("malformed comparison")

// results are the operators of a comparison.
var results = []string{"=", "!=", ">", "<"}

// Compare reads `target("key") operator "value"`. The target is value or val, version or ver, create or c, mod or m, or
// lease; the value of a version or revision is a decimal number, that of a lease its id in hexadecimal, both in quotes.
func Compare(line string) (client.Cmp, error) {
	target, rest, found := strings.Cut(line, "(")
	if !found {
		return client.Cmp{}, fmt.Errorf("%w: %s", errMalformed, line)
	}
	var key, result, value string
	if _, err := fmt.Sscanf(rest, "%q) %s %q", &key, &result, &value); err != nil {
		return client.Cmp{}, fmt.Errorf("%w: %s; got %s(%q) %s %q", errMalformed, line, target, key, result, value)
	}
	left, base, err := operand(target, key)
	if err != nil {
		return client.Cmp{}, fmt.Errorf("%w: %s (%w)", errMalformed, line, err)
	}
	if !slices.Contains(results, result) {
		return client.Cmp{}, fmt.Errorf("%w: %s (unknown operator %s)", errMalformed, line, result)
	}
	if base == text {
		return client.Compare(left, result, value), nil
	}
	number, err := strconv.ParseInt(value, base, 64)
	if err != nil {
		return client.Cmp{}, fmt.Errorf("invalid txn compare request: %s", line)
	}
	return client.Compare(left, result, number), nil
}

// text is the base of a value that is no number.
const text = 0

func operand(target, key string) (left client.Cmp, base int, err error) {
	switch target {
	case "val", "value":
		return client.Value(key), text, nil
	case "ver", "version":
		return client.Version(key), 10, nil
	case "c", "create":
		return client.CreateRevision(key), 10, nil
	case "m", "mod":
		return client.ModRevision(key), 10, nil
	case "lease":
		return client.LeaseValue(key), 16, nil
	default:
		return client.Cmp{}, text, fmt.Errorf("unknown target %s", target)
	}
}
