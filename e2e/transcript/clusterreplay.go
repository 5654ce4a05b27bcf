package transcript

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
)

// clusterStage is the world of a replay with several members.
type clusterStage struct {
	program  string
	from, to cast
	folder   string
	c        *client.Client
	guest    *Guest // nil if there is none
}

// ReplayCluster runs the records of a file in order with a program, under the name etcdctl, and returns the differences between the
// canonical forms of what was captured and what came. The endpoints, host:port, take the place of the captured ones in their order.
// Without a guest, which may be nil, the records about one are left out.
func ReplayCluster(ctx context.Context, file, program string, endpoints []string, guest *Guest) ([]Difference, error) {
	records, err := Load(file)
	if err != nil {
		return nil, err
	}
	s, err := newClusterStage(ctx, program, records, endpoints)
	if err != nil {
		return nil, fmt.Errorf("replay %s: %w", file, err)
	}
	defer s.close()
	s.guest = guest
	var all []Difference
	for i, r := range records {
		if visit := clusterPlans[file].guest; guest == nil && i >= visit[0] && i < visit[1] {
			continue
		}
		if do := clusterPlans[file].before[i]; do != nil {
			if err := do(ctx, s); err != nil {
				return nil, fmt.Errorf("prepare %s[%d]: %w", file, i, err)
			}
		}
		if _, omitted := clusterPlans[file].omitted[i]; omitted {
			continue
		}
		if instead := clusterPlans[file].instead; instead != nil {
			r.Stdout = instead.Replace(r.Stdout)
		}
		found, err := s.replay(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("replay %s[%d]: %w", file, i, err)
		}
		if len(found) > 0 {
			all = append(all, Difference{file, i, r.Argv, found})
		}
	}
	return all, nil
}

func newClusterStage(ctx context.Context, program string, records []Record, endpoints []string) (*clusterStage, error) {
	c, err := client.New(client.Config{Endpoints: endpoints, Logger: zap.NewNop(), DialTimeout: runTimeout})
	if err != nil {
		return nil, err
	}
	s := &clusterStage{program: program, c: c, from: capturedCast(records)}
	if s.to, err = servingCast(ctx, c, endpoints); err == nil {
		s.folder, err = makeFolder()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return s, nil
}

func (s *clusterStage) close() {
	_ = s.c.Close()
	_ = os.RemoveAll(s.folder)
}

// replay runs one record.
func (s *clusterStage) replay(ctx context.Context, r Record) ([]string, error) {
	stdout, err := r.stdout()
	if err != nil {
		return nil, fmt.Errorf("decode the captured output: %w", err)
	}
	args := slices.Clone(r.Argv)
	for i, arg := range args {
		args[i] = strings.ReplaceAll(s.from.recast(arg, &s.to), capturedFolder, s.folder)
	}
	live := r
	live.Argv = args
	running, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	p, err := live.start(running, s.program, ids{}, ids{})
	if err != nil {
		return nil, err
	}
	<-p.ended
	got, err := p.outcome(running)
	if err != nil {
		return nil, err
	}
	if r.isProtobuf() {
		if stdout, err = decodeOutput(r.Argv, stdout); err != nil {
			return nil, err
		}
		if got.stdout, err = decodeOutput(r.Argv, got.stdout); err != nil {
			return []string{err.Error()}, nil
		}
	}
	s.meet(stdout, got.stdout)
	got.stdout = strings.ReplaceAll(got.stdout, s.folder, capturedFolder)
	got.stderr = strings.ReplaceAll(got.stderr, s.folder, capturedFolder)
	want := outcome{r.Exit, s.from.canonical(stdout), s.from.canonical(r.said(r.Stderr))}
	got = outcome{got.exit, s.to.canonical(got.stdout), s.to.canonical(r.said(got.stderr))}
	return r.compare(want, got), nil
}

// meet learns which new member of the server is which of the captured ones: they come in the same record.
func (s *clusterStage) meet(captured, serving string) {
	was, is := newcomers(captured, s.from), newcomers(serving, s.to)
	if len(was) != 1 || len(is) != 1 {
		return
	}
	if last := len(s.from.players) - 1; s.from.players[last].id == 0 { // the guest
		s.from.players[last].id, s.to.players[last].id = was[0].id, is[0].id
		return
	}
	name := fmt.Sprintf("new%d", len(s.from.players))
	was[0].name, is[0].name = name, name
	s.from.players = append(s.from.players, was[0])
	s.to.players = append(s.to.players, is[0])
}

// newcomers returns the members of an output in JSON, or of a sentence about one that was added, that are not known yet.
func newcomers(output string, known cast) []player {
	var list struct {
		Members []struct {
			ID   uint64
			Name string
		} `json:"members"`
	}
	var found []player
	if m := added.FindStringSubmatch(output); m != nil {
		found = append(found, player{id: parseID(m[1])})
	} else if json.Unmarshal([]byte(output), &list) == nil {
		for _, m := range list.Members {
			if m.Name == "" {
				found = append(found, player{id: m.ID})
			}
		}
	}
	return slices.DeleteFunc(found, func(p player) bool {
		return slices.ContainsFunc(known.players, func(k player) bool { return k.id == p.id })
	})
}

// leadBy hands leadership to a member, and waits until every member has heard of it.
func leadBy(name string) func(context.Context, *clusterStage) error {
	return func(ctx context.Context, s *clusterStage) error {
		target := s.to.player(name)
		var failed error
		err := until(ctx, name+" leads", func() (bool, error) {
			agreed := true
			for _, ep := range s.c.Endpoints() {
				status, err := s.c.Status(ctx, ep)
				if err != nil {
					return false, err
				}
				if status.Leader != target.id && status.Leader == status.Header.MemberId {
					failed = moveLeader(ctx, ep, target.id) // one that is behind leads a little later
				}
				agreed = agreed && status.Leader == target.id
			}
			return agreed, nil
		})
		if err != nil {
			return errors.Join(err, failed)
		}
		return nil
	}
}

func moveLeader(ctx context.Context, endpoint string, target uint64) error {
	leader, err := client.New(client.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	_, err = leader.MoveLeader(ctx, target)
	return errors.Join(err, leader.Close())
}

// putFillers puts keys, until the revision is as it was captured.
func putFillers(n int) func(context.Context, *clusterStage) error {
	return func(ctx context.Context, s *clusterStage) error {
		for i := range n {
			if _, err := s.c.Put(ctx, fmt.Sprint("filler/", i), ""); err != nil {
				return err
			}
		}
		return nil
	}
}

// refusedPut raises the alarm.
func refusedPut(ctx context.Context, s *clusterStage) error {
	if _, err := s.c.Put(ctx, "too large", strings.Repeat("x", 290_000)); !errors.Is(err, rpctypes.ErrNoSpace) {
		return fmt.Errorf("a put of nearly the whole quota was answered with %v", err)
	}
	return nil
}

// clusterVersion waits until the version of the cluster is the newest one again, so that it may go down.
func clusterVersion(ctx context.Context, s *clusterStage) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return until(ctx, "the version of the cluster is 3.7", func() (bool, error) {
		resp, err := s.c.Downgrade(ctx, client.DowngradeValidate, "3.6")
		return err == nil && resp.Version == "3.7", ctx.Err()
	})
}

// cancelDowngrade is what a record did that is left out.
func cancelDowngrade(ctx context.Context, s *clusterStage) error {
	if _, err := s.c.Downgrade(ctx, client.DowngradeCancel, ""); err != nil {
		return err
	}
	return clusterVersion(ctx, s)
}

// storageVersion waits until every member has the storage version.
func storageVersion(version string) func(context.Context, *clusterStage) error {
	return func(ctx context.Context, s *clusterStage) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return until(ctx, "every member has storage version "+version, func() (bool, error) {
			for _, ep := range s.c.Endpoints() {
				status, err := s.c.Status(ctx, ep)
				if err != nil || status.StorageVersion != version {
					return false, err
				}
			}
			return true, nil
		})
	}
}
