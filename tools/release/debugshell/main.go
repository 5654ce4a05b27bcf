// Command debugshell is the /bin/sh of the debug image: a POSIX shell with the usual small commands built in, in Go as
// the rest, so that the image stays one set of bytes from one build.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"mvdan.cc/sh/moreinterp/coreutils"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	command := flag.String("c", "", "run this text instead of reading from a file or the terminal")
	flag.Parse()
	err := run(*command, flag.Args())
	if status, ok := errors.AsType[interp.ExitStatus](err); ok {
		os.Exit(int(status))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sh:", err)
		os.Exit(1)
	}
}

func run(command string, args []string) error {
	options := []interp.RunnerOption{
		interp.StdIO(os.Stdin, os.Stdout, os.Stderr),
		interp.ExecHandlers(coreutils.ExecHandler),
	}
	var script io.Reader = os.Stdin
	name := ""
	switch {
	case command != "":
		script = strings.NewReader(command)
	case len(args) > 0:
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		script, name = f, args[0]
		options = append(options, interp.Params(append([]string{"--"}, args[1:]...)...))
	case term.IsTerminal(int(os.Stdin.Fd())):
		return interactive(options)
	}
	r, err := interp.New(options...)
	if err != nil {
		return err
	}
	prog, err := syntax.NewParser().Parse(script, name)
	if err != nil {
		return err
	}
	return r.Run(context.Background(), prog)
}

// interactive runs statement by statement and goes on after one that failed.
func interactive(options []interp.RunnerOption) error {
	r, err := interp.New(append(options, interp.Interactive(true))...)
	if err != nil {
		return err
	}
	parser := syntax.NewParser()
	fmt.Print("$ ")
	for statements, err := range parser.InteractiveSeq(os.Stdin) {
		if err != nil {
			return err
		}
		if parser.Incomplete() {
			fmt.Print("> ")
			continue
		}
		for _, s := range statements {
			if err := r.Run(context.Background(), s); r.Exited() {
				return err
			}
		}
		fmt.Print("$ ")
	}
	return nil
}
