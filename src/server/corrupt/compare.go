package corrupt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"quoin.dev/storage/mvcc"
)

// nobody is whom the alarm names when members differ and there are not enough to tell which are right.
const nobody = 0

// verdict is what a comparison showed.
type verdict struct {
	mine     mvcc.HashKV
	answers  map[uint64]mvcc.HashKV
	compared int      // other members whose answer could be compared
	agreeing int      // members with the hash of this one, itself included
	wrong    []uint64 // those that hold something else than most members, ascending; nobody: there is no most
}

func (v *verdict) add(id uint64) {
	if !slices.Contains(v.wrong, id) {
		v.wrong = append(v.wrong, id)
		slices.Sort(v.wrong)
	}
}

// rightAbout reports whether a member is known to be among most.
func (v *verdict) rightAbout(id uint64) bool {
	return !slices.Contains(v.wrong, id) && !slices.Contains(v.wrong, nobody)
}

// comparable reports whether two hashes are of the same rows: what a hash covers depends on what was compacted before.
// Members before etcd 3.6 do not tell the revision that they were asked for.
func comparable(mine, theirs mvcc.HashKV) bool {
	return mine.CompactRevision == theirs.CompactRevision && (theirs.HashRevision == 0 || mine.HashRevision == theirs.HashRevision)
}

// judge compares the hashes of a cluster of so many members, of which some may not have answered.
func judge(members int, self uint64, mine mvcc.HashKV, answers map[uint64]mvcc.HashKV) *verdict {
	v := &verdict{mine: mine, answers: answers}
	groups := map[uint32][]uint64{mine.Hash: {self}}
	for id, h := range answers {
		if comparable(mine, h) {
			v.compared++
			groups[h.Hash] = append(groups[h.Hash], id)
		}
	}
	v.agreeing = len(groups[mine.Hash])
	if len(groups) == 1 {
		return v
	}
	most := false
	for _, ids := range groups {
		if len(ids) > members/2 {
			most = true
			continue
		}
		v.wrong = append(v.wrong, ids...)
	}
	if !most {
		v.wrong = []uint64{nobody}
	}
	slices.Sort(v.wrong)
	return v
}

// enough says when a comparison need not wait for more answers.
type enough func(members int, v *verdict) bool

func untilAllAnswered(int, *verdict) bool { return false }

func untilMostAgree(members int, v *verdict) bool { return v.agreeing > members/2 }

// compare asks all others for their hash at a revision while own takes this member's.
func (c *Checker) compare(ctx context.Context, revision int64, own func() (mvcc.HashKV, error), done enough) (*verdict, error) {
	others := c.h.Others()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := time.Now()
	answers := c.asked(ctx, others, revision)
	mine, err := inContext(ctx, own)
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(max(c.o.Patience, time.Since(begun)), cancel)
	defer late.Stop()
	got := map[uint64]mvcc.HashKV{}
	v := judge(len(others)+1, c.h.ID, mine, got)
	for range others {
		if done(len(others)+1, v) {
			break
		}
		if a := <-answers; a.err == nil {
			got[a.id] = a.hash
			v = judge(len(others)+1, c.h.ID, mine, got)
		}
	}
	return v, nil
}

// ask asks members for their hash at a revision and hands each answer to take.
func (c *Checker) ask(ctx context.Context, members []uint64, revision int64, take func(uint64, mvcc.HashKV)) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Patience)
	defer cancel()
	answers := c.asked(ctx, members, revision)
	for range members {
		if a := <-answers; a.err == nil {
			take(a.id, a.hash)
		}
	}
}

type answer struct {
	id   uint64
	hash mvcc.HashKV
	err  error
}

// asked asks members, all at once; there is one answer or error of each, at the latest when ctx ends.
func (c *Checker) asked(ctx context.Context, members []uint64, revision int64) <-chan answer {
	answers := make(chan answer, len(members))
	for _, id := range members {
		go func() {
			h, err := c.h.Ask(ctx, id, revision)
			if err != nil {
				c.h.Logger.Info("a member can not be compared", zap.String("member-id", fmt.Sprintf("%x", id)), zap.Error(err))
			}
			answers <- answer{id, h, err}
		}()
	}
	return answers
}

// inContext returns early when ctx ends; f goes on then, and what it returns is dropped.
func inContext(ctx context.Context, f func() (mvcc.HashKV, error)) (mvcc.HashKV, error) {
	done := make(chan answer, 1)
	go func() {
		h, err := f()
		done <- answer{hash: h, err: err}
	}()
	select {
	case a := <-done:
		return a.hash, a.err
	case <-ctx.Done():
		return mvcc.HashKV{}, ctx.Err()
	}
}

// log tells the operator who differs, and from what.
func (c *Checker) log(v *verdict, revision int64) {
	hashes := []string{fmt.Sprintf("%x (here): %d", c.h.ID, v.mine.Hash)}
	for id, h := range v.answers {
		hashes = append(hashes, fmt.Sprintf("%x: %d", id, h.Hash))
	}
	var wrong []string
	for _, id := range v.wrong {
		wrong = append(wrong, fmt.Sprintf("%x", id))
	}
	c.h.Logger.Error("found data inconsistency with peers", zap.Int64("revision", revision), zap.Int64("compact-revision", v.mine.CompactRevision),
		zap.Strings("hashes", hashes), zap.Strings("different-members", wrong))
}
