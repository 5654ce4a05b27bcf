package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"quoin.dev/client"
)

// txnRequest parses one request of a transaction with the flags of the command of that name. Flags that only change
// the output have no effect; a put cannot read its value from stdin, where the transaction is.
func (a *app) txnRequest(line, name string, words []string) (client.Op, error) {
	invalid := exit(invalidInput, fmt.Errorf("invalid txn request: %s", line))
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.Usage = func() {}
	parse := func() error {
		if err := flags.Parse(words); err != nil {
			fmt.Fprintf(a.Stderr, "Flags of %s:\n%s\n", name, flags.FlagUsages())
			return invalid
		}
		return nil
	}
	switch fullName(name) {
	case "get":
		var f getFlags
		f.register(flags)
		if err := parse(); err != nil {
			return client.Op{}, err
		}
		key, opts, err := f.request(flags.Args())
		if err != nil {
			return client.Op{}, err
		}
		return client.OpGet(key, opts...), nil
	case "put":
		var f putFlags
		f.register(flags)
		if err := parse(); err != nil {
			return client.Op{}, err
		}
		return f.op(flags.Args(), strings.NewReader(""))
	case "del":
		var f delFlags
		f.register(flags)
		if err := parse(); err != nil {
			return client.Op{}, err
		}
		return f.op(a, flags.Args())
	default:
		return client.Op{}, invalid
	}
}

// fullName completes the beginning of the name of a request, as it is done with commands.
func fullName(name string) string {
	for _, full := range []string{"get", "put", "del"} {
		if name != "" && strings.HasPrefix(full, name) {
			return full
		}
	}
	return name
}
