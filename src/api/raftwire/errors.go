package raftwire

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMalformed reports bytes that are no protobuf encoding of the wanted type. Errors of this package wrap it.
var ErrMalformed = errors.New("raftwire: malformed protobuf")

// MaxEntries is the largest number of entries one decoded message may carry. Raft bounds a message to 1 MiB of
// entries, each of at least four bytes, or to a single larger entry, so an honest peer stays well below.
const MaxEntries = 1 << 20

// maxDepth bounds how deep responses may nest; raft nests them once.
const maxDepth = 8

var (
	errTooManyEntries = fmt.Errorf("%w: more than %d entries in one message", ErrMalformed, MaxEntries)
	errTooDeep        = fmt.Errorf("%w: responses nest deeper than %d", ErrMalformed, maxDepth)
	errTag            = fmt.Errorf("%w: bad field tag", ErrMalformed)
)

// fieldError turns protowire's negative length into an error that names the field.
func fieldError(num protowire.Number, n int) error {
	return fmt.Errorf("%w: field %d: %v", ErrMalformed, num, protowire.ParseError(n))
}
