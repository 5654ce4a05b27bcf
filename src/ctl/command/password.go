package command

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxPasswordBytes bounds a password that is read from a pipe.
const maxPasswordBytes = 64 << 10

// askPassword reads the password from the terminal without showing it, or one line from a stdin that is none.
func (a *app) askPassword(prompt string) (string, error) {
	fmt.Fprint(a.Stdout, prompt)
	defer fmt.Fprintln(a.Stdout)
	if f, ok := a.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b, err := term.ReadPassword(int(f.Fd()))
		return string(b), err
	}
	return readLine(a.Stdin)
}

// readLine reads byte by byte, so that what follows the line is left for the command, which may read stdin too.
func readLine(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxPasswordBytes {
		n, err := r.Read(one)
		switch {
		case n == 1 && one[0] == '\n', errors.Is(err, io.EOF):
			return string(line), nil
		case err != nil:
			return "", fmt.Errorf("read the password: %w", err)
		case n == 1:
			line = append(line, one[0])
		}
	}
	return "", fmt.Errorf("the password is longer than %d bytes", maxPasswordBytes)
}
