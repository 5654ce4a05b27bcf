package transcript

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "quoin.dev/api/etcdserverpb"
)

// EndpointVariable names the server to replay against, host:port.
const EndpointVariable = "QUOIN_TEST_ENDPOINT"

// runTimeout bounds one run; the longest captured ones wait 5 s for a server that is not there.
const runTimeout = 30 * time.Second

// Difference is a record that the program answered differently.
type Difference struct {
	File  string
	Index int
	Argv  []string
	Found []string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s[%d] %q\n\t%s", d.File, d.Index, d.Argv[1:], strings.Join(d.Found, "\n\t"))
}

// Replay runs the records of a file in order with a program, under the name etcdctl, and returns the differences. The
// server must be as After says. The error is about the replay itself: the server or the program cannot be reached.
func Replay(ctx context.Context, file, program, endpoint string) ([]Difference, error) {
	records, err := Load(file)
	if err != nil {
		return nil, err
	}
	from, err := capturedIDs(records)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", file, err)
	}
	to, err := prepare(ctx, plans[file], endpoint)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", file, err)
	}
	var all []Difference
	for i, r := range records {
		if _, omitted := plans[file].omitted[i]; omitted {
			continue
		}
		found, err := r.replay(ctx, program, &from, &to)
		if err != nil {
			return nil, fmt.Errorf("replay %s[%d]: %w", file, i, err)
		}
		if len(found) > 0 {
			all = append(all, Difference{file, i, r.Argv, found})
		}
	}
	return all, nil
}

// prepare brings the server to the state that the first record was captured in, and returns its ids.
func prepare(ctx context.Context, p plan, endpoint string) (ids, error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return ids{}, fmt.Errorf("connect to %s: %w", endpoint, err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	for _, id := range p.leases {
		req := &pb.LeaseGrantRequest{ID: id, TTL: 3600}
		if _, err := pb.NewLeaseClient(conn).LeaseGrant(ctx, req); err != nil {
			return ids{}, fmt.Errorf("grant lease %x: %w", id, err)
		}
	}
	for i := range p.fillers {
		req := &pb.PutRequest{Key: fmt.Appendf(nil, "filler/%d", i)}
		if _, err := pb.NewKVClient(conn).Put(ctx, req); err != nil {
			return ids{}, fmt.Errorf("put a key beforehand: %w", err)
		}
	}
	return serverIDs(ctx, pb.NewClusterClient(conn), endpoint)
}

// replay learns the leases that the record grants.
func (r Record) replay(ctx context.Context, program string, from, to *ids) ([]string, error) {
	stdout, err := r.stdout()
	if err != nil {
		return nil, fmt.Errorf("decode the captured output: %w", err)
	}
	got, err := r.run(ctx, program, *from, *to)
	if err != nil {
		return nil, err
	}
	if slices.Contains(r.Argv, "grant") {
		from.grant(stdout)
		to.grant(got.stdout)
	}
	want := outcome{exit: r.Exit, stderr: from.translate(r.Stderr, *to)}
	if r.isProtobuf() {
		want.stdout, err = from.translateMessage(stdout, *to)
	} else {
		want.stdout = from.translate(stdout, *to)
	}
	if err != nil {
		return nil, err
	}
	return r.compare(want, got), nil
}

// run gives the program the captured arguments, stdin and variables, and of the variables of this process only those
// without which no program runs.
func (r Record) run(ctx context.Context, program string, from, to ids) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	var args []string
	for _, arg := range r.Argv[1:] {
		args = append(args, from.translate(arg, to))
	}
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Args[0] = r.Argv[0]
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range r.Env {
		cmd.Env = append(cmd.Env, name+"="+from.translate(value, to))
	}
	cmd.Stdin = strings.NewReader(r.stdin())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return outcome{}, fmt.Errorf("run %s: %w", program, err)
	}
	if ctx.Err() != nil {
		return outcome{}, fmt.Errorf("%q did not end within %s", r.Argv, runTimeout)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, nil
}
