package command

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"quoin.dev/client"
	"quoin.dev/ctl/txntext"
)

func (a *app) txnCommand() *cobra.Command {
	var interactive bool
	cmd := &cobra.Command{
		Use:     "txn [options]",
		GroupID: groupKV,
		Short:   "Applies several requests as one change, depending on conditions",
		Long: "Reads a transaction from stdin and applies it as one change.\n\n" +
			"The input has three parts, each ended by an empty line: the conditions, the requests for when all of them hold,\n" +
			"and the requests for when one does not. No condition counts as fulfilled.\n\n" +
			"A condition compares the value, version, create or mod revision or the lease of a key, with both sides in\n" +
			"double quotes:\n\n" +
			"  value(\"<key>\")   =|!=|<|> \"<text>\"          also val\n" +
			"  version(\"<key>\") =|!=|<|> \"<number>\"        also ver\n" +
			"  create(\"<key>\")  =|!=|<|> \"<revision>\"      also c\n" +
			"  mod(\"<key>\")     =|!=|<|> \"<revision>\"      also m\n" +
			"  lease(\"<key>\")   =|!=|<|> \"<hexadecimal id>\"\n\n" +
			"A request is a get, put or del command with its flags. Words with spaces are put in quotes; in double quotes\n" +
			"\\n, \\x00 and the like are understood.",
		Example: examples(a.Name,
			"txn < transaction.txt",
			"txn --interactive",
			`txn <<< $'version("lock") = "0"\n\nput lock mine\n\nget lock\n'`),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 0 {
				return badArgs("txn command does not accept argument")
			}
			return a.txn(cmd, interactive)
		},
	}
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "say which part of the transaction is read")
	return cmd
}

func (a *app) txn(cmd *cobra.Command, interactive bool) error {
	out, err := a.setup(cmd, false)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()

	r := &txnReader{app: a, in: bufio.NewReader(a.Stdin), interactive: interactive}
	conditions, err := readPart(r, "compares:", r.condition)
	if err != nil {
		return err
	}
	then, err := readPart(r, "success requests (get, put, del):", r.request)
	if err != nil {
		return err
	}
	otherwise, err := readPart(r, "failure requests (get, put, del):", r.request)
	if err != nil {
		return err
	}
	ctx, cancel := a.request()
	defer cancel()
	resp, err := c.Txn(ctx).If(conditions...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return failed(err)
	}
	return printed(out.Txn(resp))
}

// txnReader reads the three parts of a transaction.
type txnReader struct {
	app         *app
	in          *bufio.Reader
	interactive bool
}

// readPart reads lines up to an empty one. A part that the input ends in is an error, since the rest may be missing.
func readPart[T any](r *txnReader, prompt string, parse func(line string) (T, error)) ([]T, error) {
	if r.interactive {
		fmt.Fprintln(r.app.Stdout, prompt)
	}
	var part []T
	for {
		line, err := r.in.ReadString('\n')
		if err != nil {
			return nil, exit(invalidInput, err)
		}
		if line = strings.TrimSpace(line); line == "" {
			return part, nil
		}
		item, err := parse(line)
		if err != nil {
			return nil, err
		}
		part = append(part, item)
	}
}

func (r *txnReader) condition(line string) (client.Cmp, error) {
	cmp, err := txntext.Compare(line)
	if err != nil {
		return cmp, exit(invalidInput, err)
	}
	return cmp, nil
}

func (r *txnReader) request(line string) (client.Op, error) {
	words, err := txntext.Tokens(line)
	if err != nil {
		return client.Op{}, exit(invalidInput, err)
	}
	if len(words) < 2 {
		return client.Op{}, exit(invalidInput, fmt.Errorf("invalid txn compare request: %s", line))
	}
	return r.app.txnRequest(line, words[0], words[1:])
}
