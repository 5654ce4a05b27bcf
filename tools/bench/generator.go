package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"quoin.dev/quoin/tools/bench/echo"
	"quoin.dev/quoin/tools/bench/load"
)

// The commands by which this program starts itself; they are not for people.
const (
	generatorCommand = "internal-load"
	echoCommand      = "internal-echo"
)

// event is a line that the load process prints.
type event struct {
	Part      float64      `json:"part,omitempty"`
	Measuring bool         `json:"measuring,omitempty"`
	Result    *load.Result `json:"result,omitempty"`
	Error     string       `json:"error,omitempty"`
}

// generatorMain is the load process: a Spec on standard input, events on standard output.
func generatorMain(in io.Reader, out io.Writer) int {
	events := json.NewEncoder(out)
	// A parent that no longer reads has ended; then there is nobody to tell.
	tell := func(e event) { _ = events.Encode(e) }
	var spec load.Spec
	if err := json.NewDecoder(in).Decode(&spec); err != nil {
		tell(event{Error: "reading the spec: " + err.Error()})
		return 1
	}
	res, err := load.Run(spec, func(part float64, measuring bool) { tell(event{Part: part, Measuring: measuring}) })
	if err != nil {
		tell(event{Error: err.Error()})
		return 1
	}
	tell(event{Result: res})
	return 0
}

// echoMain is the empty gRPC server.
func echoMain(args []string) int {
	if len(args) != 1 {
		return 2
	}
	l, err := net.Listen("tcp", args[0])
	if err == nil {
		err = echo.Serve(l)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// generate runs the load process. measuring is called when its measured window opens.
func generate(ctx context.Context, spec load.Spec, progress func(float64), measuring func()) (*load.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	input, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, spec.Warmup+spec.Duration+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, generatorCommand)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var last event
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		last = event{}
		if err := json.Unmarshal(lines.Bytes(), &last); err != nil {
			last.Error = fmt.Sprintf("unexpected line %q", lines.Text())
			break
		}
		if last.Measuring {
			measuring()
		}
		progress(last.Part)
	}
	switch err := cmd.Wait(); {
	case last.Error != "":
		return nil, errors.New("load process: " + last.Error)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("load process: %w", err)
	case last.Result == nil:
		return nil, errors.New("the load process ended without a result")
	}
	return last.Result, nil
}
