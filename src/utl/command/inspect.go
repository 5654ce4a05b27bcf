package command

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"quoin.dev/utl/inspect"
	"quoin.dev/utl/printer"
)

// lister writes what an inspection finds, one line each.
type lister struct {
	out    *bufio.Writer
	format string
}

// errEnough ends a listing early.
var errEnough = errors.New("enough")

// list returns a lister for --write-out, which knows lines for people and documents here.
func (a *app) list() (*lister, error) {
	switch a.writeOut {
	case "simple", "json", "yaml":
		return &lister{bufio.NewWriter(a.Stdout), a.writeOut}, nil
	}
	if _, err := a.printer(); err != nil {
		return nil, err
	}
	return nil, exit(badFeature, fmt.Errorf("%s not supported as output format", a.writeOut))
}

func (l *lister) add(line inspect.Pairs) error {
	if l.format == "simple" {
		_, err := fmt.Fprintln(l.out, line)
		return printed(err)
	}
	return printed(printer.WriteDocument(l.out, l.format, line))
}

// end writes out what is there, even if the listing ended early because of a fault.
func (l *lister) end(err error) error {
	if ferr := printed(l.out.Flush()); ferr != nil {
		return ferr
	}
	var exit *exitError
	switch {
	case errors.Is(err, errEnough):
		return nil
	case errors.As(err, &exit):
		return err
	}
	return failed(err)
}

// styleFlags are the flags about how much is shown.
func styleFlags(cmd *cobra.Command, s *inspect.Style) {
	cmd.Flags().IntVar(&s.ValueBytes, "value-bytes", 64, "how much of each key and value to show in bytes (0: all)")
}

// noSecrets is what help texts of inspections say.
const noSecrets = "Passwords, their hashes and tokens are not shown."
