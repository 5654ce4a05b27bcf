// Package txntext reads the lines that the txn command takes: comparisons, and requests written as on a command line.
package txntext

import (
	"regexp"
	"strconv"
)

// word matches one argument: in double quotes with escapes, in single quotes, or up to the next space. A quote that is
// not closed matches nothing and so is dropped; what follows a closing quote is an argument of its own.
var word = regexp.MustCompile(`"(?:\\.|[^"\\])*"|'[^']*'|[^\s"']\S*`)

// Tokens splits a request into its arguments. In double quotes the escapes of Go strings are understood (\n, \x00,
// \u00e9); in single quotes and outside of quotes every character stands for itself. The error is that of a bad escape.
func Tokens(line string) ([]string, error) {
	tokens := word.FindAllString(line, -1)
	for i, t := range tokens {
		switch t[0] {
		case '"':
			plain, err := strconv.Unquote(t)
			if err != nil {
				return nil, err
			}
			tokens[i] = plain
		case '\'':
			tokens[i] = t[1 : len(t)-1]
		}
	}
	return tokens, nil
}
