package transcript

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// EndpointVariable names the server to replay against, host:port.
const EndpointVariable = "QUOIN_TEST_ENDPOINT"

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
	p := plans[file]
	s, err := newStage(ctx, program, endpoint, p, from)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", file, err)
	}
	defer s.close()
	var all []Difference
	for i, r := range records {
		if _, omitted := p.omitted[i]; omitted {
			continue
		}
		found, err := s.replay(ctx, r, p.scripts[i], i)
		if err != nil {
			return nil, fmt.Errorf("replay %s[%d]: %w", file, i, err)
		}
		if len(found) > 0 {
			all = append(all, Difference{file, i, r.Argv, found})
		}
	}
	return all, nil
}

// replay runs one record and learns the lease that it grants.
func (s *stage) replay(ctx context.Context, r Record, sc script, index int) ([]string, error) {
	if sc.instead != nil {
		sc.instead(&r)
	}
	stdout, err := r.stdout()
	if err != nil {
		return nil, fmt.Errorf("decode the captured output: %w", err)
	}
	got, err := s.play(ctx, r, sc, index)
	if err != nil {
		return nil, err
	}
	if slices.Contains(r.Argv, "grant") {
		s.from.grant(stdout)
		if s.to.grant(got.stdout) {
			s.grants[index] = int64(s.to.leases[len(s.to.leases)-1])
		}
	}
	want := outcome{exit: r.Exit, stderr: s.from.translate(r.Stderr, s.to)}
	switch {
	case r.isProtobuf() && slices.Contains(r.Argv, "--detail"):
		want.stdout, err = s.from.translateDetails(stdout, s.to)
	case r.isProtobuf():
		want.stdout, err = s.from.translateMessage(stdout, s.to)
	default:
		want.stdout = s.from.translate(stdout, s.to)
	}
	if err != nil {
		return nil, err
	}
	if sc.unordered {
		want.stdout, got.stdout = sorted(want.stdout), sorted(got.stdout)
	}
	return r.compare(want, got), nil
}

// sorted puts the lines of a text in order.
func sorted(text string) string {
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}
