package transcript

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"quoin.dev/client"
)

// Mirror was captured from two servers, of which the first was copied to the second.
const Mirror = "mirror"

// The servers of Mirror.
const (
	capturedSource      = "127.0.0.1:24301"
	capturedDestination = "127.0.0.1:24303"
)

// mirrorStage is the world of a replay of Mirror.
type mirrorStage struct {
	program, source, destination string
	from, to                     *client.Client
}

// ReplayMirror runs the records of Mirror in order with a program, under the name etcdctl, against two servers that hold nothing,
// and returns the differences. Each copy is ended when the destination has all that it is to have.
func ReplayMirror(ctx context.Context, program, source, destination string) ([]Difference, error) {
	records, err := Load(Mirror)
	if err != nil {
		return nil, err
	}
	s := mirrorStage{program: program, source: source, destination: destination}
	for ep, c := range map[string]**client.Client{source: &s.from, destination: &s.to} {
		if *c, err = client.New(client.Config{Endpoints: []string{ep}, Logger: zap.NewNop()}); err != nil {
			return nil, err
		}
		defer (*c).Close()
	}
	copies := s.copies(records)
	var all []Difference
	for i, r := range records {
		if i == counted {
			r.Stdout = "" // it tells after half a minute how much it has copied, which is longer than a replay waits
		}
		found, err := s.replay(ctx, r, copies[i])
		if err != nil {
			return nil, fmt.Errorf("replay %s[%d]: %w", Mirror, i, err)
		}
		if len(found) > 0 {
			all = append(all, Difference{Mirror, i, r.Argv, found})
		}
	}
	return all, nil
}

// counted is the record that ran for so long that it told how much it had copied.
const counted = 5

// mirrorCopy is what the source is given before a record, and the keys that the destination has to get by it.
type mirrorCopy struct{ put, get []string }

// copies follow from the flags, and from the keys that the last record lists.
func (s *mirrorStage) copies(records []Record) map[int]mirrorCopy {
	five := func(prefix string) (keys []string) {
		for i := range 5 {
			keys = append(keys, fmt.Sprint(prefix, i))
		}
		return keys
	}
	listed, err := records[len(records)-1].stdout()
	if err != nil {
		panic(err) // it is embedded
	}
	all := strings.Split(strings.TrimSuffix(listed, "\n\n"), "\n\n")
	others := slices.DeleteFunc(slices.Clone(all), func(key string) bool {
		return slices.Contains(slices.Concat(five("mk"), five("dd"), five("")), key)
	})
	return map[int]mirrorCopy{
		0: {put: five("mk"), get: five("mk")},
		1: {get: five("dd")},
		2: {get: five("")},
		4: {put: []string{"mk4"}}, // of which it is told again
		5: {put: others, get: all},
	}
}

// replay runs one record.
func (s *mirrorStage) replay(ctx context.Context, r Record, c mirrorCopy) ([]string, error) {
	for _, key := range c.put {
		if _, err := s.from.Put(ctx, key, ""); err != nil {
			return nil, err
		}
	}
	before, err := s.to.Get(ctx, "mk4")
	if err != nil {
		return nil, err
	}
	live := r
	live.Argv = nil
	for _, arg := range r.Argv {
		live.Argv = append(live.Argv, strings.NewReplacer(capturedSource, s.source, capturedDestination, s.destination).Replace(arg))
	}
	running, cancel := context.WithTimeout(ctx, 2*runTimeout)
	defer cancel()
	p, err := live.start(running, s.program, ids{}, ids{})
	if err != nil {
		return nil, err
	}
	if r.endless() {
		has := func() (bool, error) {
			if p.hasEnded() {
				return false, errors.New("the program has ended: " + p.stderr.String())
			}
			if len(c.get) == 0 {
				now, err := s.to.Get(running, "mk4")
				return err == nil && now.Header.Revision > before.Header.Revision, err
			}
			return s.holds(running, c.get)
		}
		if err := errors.Join(until(running, "the destination has what it is to have", has), p.end(r)); err != nil {
			return nil, err
		}
	}
	<-p.ended
	got, err := p.outcome(running)
	if err != nil {
		return nil, err
	}
	stdout, err := r.stdout()
	if err != nil {
		return nil, err
	}
	return r.compare(outcome{r.Exit, stdout, r.Stderr}, got), nil
}

// holds reports whether the destination has the keys.
func (s *mirrorStage) holds(ctx context.Context, keys []string) (bool, error) {
	resp, err := s.to.Get(ctx, "", client.WithPrefix(), client.WithKeysOnly())
	if err != nil {
		return false, err
	}
	there := map[string]bool{}
	for _, kv := range resp.Kvs {
		there[string(kv.Key)] = true
	}
	return !slices.ContainsFunc(keys, func(key string) bool { return !there[key] }), nil
}
