package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxPasswordBytes bounds a password that is read from a pipe.
const maxPasswordBytes = 64 << 10

// askPassword reads the password from the terminal without showing it, or one line from a stdin that is none.
func (a *app) askPassword(prompt string) (string, error) {
	fmt.Fprint(a.Stdout, prompt)
	defer fmt.Fprintln(a.Stdout)
	if f, ok := a.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return a.readHidden(int(f.Fd()))
	}
	return readPassword(a.Stdin)
}

// errInterrupted ends a command at whose prompt somebody has pressed Ctrl-C.
var errInterrupted = errors.New("interrupted")

// readHidden reads a line that the terminal does not show. An interruption gives the terminal back as it was: a process that ended
// there would leave it without echo.
func (a *app) readHidden(fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	ctx, stop := a.Interruptible(a.ctx)
	defer stop()
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		return strings.TrimSpace(string(l.text)), l.err
	case <-ctx.Done(): // the reader stays behind until the process ends
		return "", errors.Join(errInterrupted, term.Restore(fd, before))
	}
}

// readPassword reads a line. It goes byte by byte, so that what follows is left for the command, which may read stdin too. Spaces
// around the password are no part of it, nor is the \r of a line from Windows.
func readPassword(r io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxPasswordBytes {
		n, err := r.Read(one)
		switch {
		case n == 1 && one[0] != '\n':
			line = append(line, one[0])
		case n == 1, errors.Is(err, io.EOF):
			return strings.TrimSpace(string(line)), nil
		case err != nil:
			return "", fmt.Errorf("read the password: %w", err)
		}
	}
	return "", fmt.Errorf("the password is longer than %d bytes", maxPasswordBytes)
}
