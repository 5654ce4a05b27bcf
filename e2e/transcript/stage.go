package transcript

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "quoin.dev/api/etcdserverpb"
)

// stage is the world of one replay.
type stage struct {
	program  string
	from, to ids
	// grants are the leases that records were granted, by the index of the record.
	grants map[int]int64

	conn   *grpc.ClientConn
	keys   pb.KVClient
	leases pb.LeaseClient
}

// newStage connects to the server and brings it to the state that the first record was captured in.
func newStage(ctx context.Context, program, endpoint string, p plan, from ids) (*stage, error) {
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", endpoint, err)
	}
	s := &stage{program: program, from: from, grants: map[int]int64{}, conn: conn, keys: pb.NewKVClient(conn), leases: pb.NewLeaseClient(conn)}
	if err := s.prepare(ctx, p, endpoint); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func (s *stage) close() {
	_ = s.conn.Close() // there is nothing that it could lose
	_ = os.RemoveAll(s.to.folder)
}

func (s *stage) prepare(ctx context.Context, p plan, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	for _, id := range p.leases {
		if _, err := s.leases.LeaseGrant(ctx, &pb.LeaseGrantRequest{ID: id, TTL: 3600}); err != nil {
			return fmt.Errorf("grant lease %x: %w", id, err)
		}
	}
	for i := range p.fillers {
		if err := put(fmt.Sprint("filler/", i), "")(ctx, s); err != nil {
			return fmt.Errorf("put a key beforehand: %w", err)
		}
	}
	var err error
	if s.to, err = serverIDs(ctx, pb.NewClusterClient(s.conn), endpoint); err != nil {
		return err
	}
	s.to.folder, err = makeFolder()
	return err
}

// capturedFolder is where the captured sessions saved files, in the folders of savedIn.
const capturedFolder = "/scratch/d"

var savedIn = []string{"o2", "o3"}

// makeFolder makes one that takes its place.
func makeFolder() (string, error) {
	path, err := os.MkdirTemp("", "quoin-transcript-")
	if err != nil {
		return "", err
	}
	for _, name := range savedIn {
		if err := os.Mkdir(filepath.Join(path, name), 0o700); err != nil {
			return "", errors.Join(err, os.RemoveAll(path))
		}
	}
	return path, nil
}

// play runs a record among what others did, and returns what the program left.
func (s *stage) play(ctx context.Context, r Record, sc script, index int) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*runTimeout)
	defer cancel()
	for _, do := range sc.before {
		if err := do(ctx, s); err != nil {
			return outcome{}, fmt.Errorf("do what was done before: %w", err)
		}
	}
	known, err := s.list(ctx, sc)
	if err != nil {
		return outcome{}, err
	}
	watch, to := (*forwarder)(nil), s.to
	if r.follows(sc) {
		if watch, err = forward(s.conn); err != nil {
			return outcome{}, fmt.Errorf("forward the watches: %w", err)
		}
		defer watch.stop()
		to.endpoint = watch.address
	}
	running, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	p, err := r.start(running, s.program, s.from, to)
	if err != nil {
		return outcome{}, err
	}
	if err := s.accompany(ctx, p, r, sc, watch); err != nil {
		return outcome{}, err
	}
	if !r.endless() {
		<-p.ended
	}
	if err := s.learn(ctx, sc, index, known); err != nil {
		return outcome{}, err
	}
	if r.endless() {
		if err := p.end(r); err != nil {
			return outcome{}, fmt.Errorf("end the program: %w", err)
		}
	}
	return p.outcome(running)
}

// accompany does what others did while the program ran, and waits until an endless one has said what was captured. One that
// does not say it is ended as well: the comparison tells.
func (s *stage) accompany(ctx context.Context, p *run, r Record, sc script, watch *forwarder) error {
	if watch != nil {
		err := until(ctx, "the program watches", func() (bool, error) {
			return watch.created.Load() >= int64(max(1, sc.watches)) || p.hasEnded(), nil
		})
		if err != nil {
			return err
		}
	}
	for i, do := range sc.during {
		if err := do(ctx, s); err != nil {
			return fmt.Errorf("do what was done meanwhile: %w", err)
		}
		if watch == nil {
			continue
		}
		err := until(ctx, "the program is told of a change", func() (bool, error) {
			return watch.told.Load() >= int64((i+1)*max(1, sc.watches)) || p.hasEnded(), nil
		})
		if err != nil {
			return err
		}
	}
	if !r.endless() {
		return nil
	}
	wanted, err := r.stdout()
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	_ = until(patience, "the program says all", func() (bool, error) { return p.hasSaid(wanted) || p.hasEnded(), nil })
	return nil
}

// hasSaid compares by lines, since ids of other lengths make the same lines shorter or longer; output without lines by bytes.
func (p *run) hasSaid(wanted string) bool {
	got := p.stdout.String()
	if lines := strings.Count(wanted, "\n"); strings.HasSuffix(wanted, "\n") {
		return strings.Count(got, "\n") >= lines
	}
	return len(got) >= len(wanted)
}

// list returns the ids of all leases, if the program is granted one that it does not tell.
func (s *stage) list(ctx context.Context, sc script) ([]int64, error) {
	if sc.granted == 0 {
		return nil, nil
	}
	resp, err := s.leases.LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil {
		return nil, fmt.Errorf("list the leases: %w", err)
	}
	var list []int64
	for _, l := range resp.GetLeases() {
		list = append(list, l.GetID())
	}
	return list, nil
}

// learn finds out which lease a program was granted that does not tell.
func (s *stage) learn(ctx context.Context, sc script, index int, known []int64) error {
	now, err := s.list(ctx, sc)
	if err != nil || sc.granted == 0 {
		return err
	}
	now = slices.DeleteFunc(now, func(id int64) bool { return slices.Contains(known, id) })
	if len(now) != 1 {
		return fmt.Errorf("the program was granted %d leases, not one", len(now))
	}
	s.from.leases = append(s.from.leases, sc.granted)
	s.to.leases = append(s.to.leases, uint64(now[0]))
	s.grants[index] = now[0]
	return nil
}
