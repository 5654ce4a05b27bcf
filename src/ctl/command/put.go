package command

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
)

type putFlags struct {
	lease       string
	prevKV      bool
	ignoreValue bool
	ignoreLease bool
}

func (f *putFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.lease, "lease", "0", "id of the lease, in hexadecimal, whose end deletes the key (0: none)")
	fs.BoolVar(&f.prevKV, "prev-kv", false, "print the key and the value that were there before")
	fs.BoolVar(&f.ignoreValue, "ignore-value", false, "keep the value of the key and change only its lease")
	fs.BoolVar(&f.ignoreLease, "ignore-lease", false, "keep the lease of the key and change only its value")
}

// op returns the request; a value that is not among the arguments is read from stdin.
func (f *putFlags) op(args []string, stdin io.Reader) (client.Op, error) {
	if len(args) == 0 {
		return client.Op{}, errPutArgs
	}
	if f.ignoreValue && len(args) > 1 {
		return client.Op{}, badArgs("put command needs only 1 argument when 'ignore-value' is set")
	}
	var value string
	if !f.ignoreValue {
		var err error
		if value, err = argOrStdin(args[1:], stdin); err != nil {
			return client.Op{}, err
		}
	}
	lease, err := strconv.ParseInt(f.lease, 16, 64)
	if err != nil {
		return client.Op{}, exit(badArguments, fmt.Errorf("bad lease ID (%w), expecting ID in Hex", err))
	}
	var opts []client.OpOption
	if lease != 0 {
		opts = append(opts, client.WithLease(client.LeaseID(lease)))
	}
	if f.prevKV {
		opts = append(opts, client.WithPrevKV())
	}
	if f.ignoreValue {
		opts = append(opts, client.WithIgnoreValue())
	}
	if f.ignoreLease {
		opts = append(opts, client.WithIgnoreLease())
	}
	return client.OpPut(args[0], value, opts...), nil
}

var errPutArgs = badArgs("put command needs 1 argument and input from stdin or 2 arguments")

// argOrStdin takes an empty argument for a value, an empty stdin not: a script that meant to pipe something failed.
func argOrStdin(args []string, stdin io.Reader) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	b, err := io.ReadAll(stdin)
	if err != nil {
		return "", exit(ioFailure, fmt.Errorf("read the value from stdin: %w", err))
	}
	if len(b) == 0 {
		return "", errPutArgs
	}
	return string(b), nil
}

func (a *app) putCommand() *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:     "put [options] <key> <value> (<value> can also be given from stdin)",
		GroupID: groupKV,
		Short:   "Writes a value under a key",
		Long: "Writes a value under a key.\n\n" +
			"Without a value argument the value is all of stdin. A key or value that begins with a dash comes after --,\n" +
			"which ends the flags.",
		Example: examples(a.Name,
			"put greeting hello",
			"put config < config.yaml",
			"put --prev-kv greeting 'good morning'",
			"put --lease=6dfaa2040b880c18 session/7 alice",
			"put -- -key -value"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			op, err := f.op(args, a.Stdin)
			if err != nil {
				return err
			}
			out, err := a.setup(cmd, false)
			if err != nil {
				return err
			}
			resp, err := a.do(op)
			if err != nil {
				return err
			}
			return printed(out.Put(resp.Put()))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// do sends one request through a client of its own.
func (a *app) do(op client.Op) (client.OpResponse, error) {
	c, err := a.connect()
	if err != nil {
		return client.OpResponse{}, err
	}
	defer c.Close()
	ctx, cancel := a.request()
	defer cancel()
	resp, err := c.Do(ctx, op)
	if err != nil {
		return client.OpResponse{}, failed(err)
	}
	return resp, nil
}
