// Command coordinate uses a cluster as the programs of its users do, through quoin's client: watches, leases, locks,
// elections and transactional memory. It is a program of its own, since the tests that run it against etcd link etcd's
// client, and the two can not share a process.
//
//	coordinate -endpoints HOST:PORT[,...] [-prefix KEYS] [-ttl SECONDS] [-user NAME -password PASSWORD] SCENARIO
//
// A scenario checks what it sees, writes to stderr what is wrong, and exits with 1 then. In its middle it says "trouble",
// and goes on with its work while its caller kills a member; a line of input with the address of a member that stays down,
// if one does, says that this is done. At "mend" the caller starts that member again and says so with a line.
//
// The scenario "hands" has no will of its own: it does what each line of its input says. See hands.go.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"quoin.dev/client"
	"quoin.dev/client/concurrency"
)

// scenarioTimeout ends a scenario that waits for what does not come.
const scenarioTimeout = 3 * time.Minute

var scenarios = map[string]func(*run) error{
	"watch":    watch,
	"lease":    lease,
	"mutex":    mutex,
	"rwmutex":  rwmutex,
	"election": election,
	"stm":      stm,
	"hands":    hands,
}

func main() {
	endpoints := flag.String("endpoints", "", "members, as host:port with commas between")
	prefix := flag.String("prefix", "coordinate/", "what all keys begin with")
	ttl := flag.Int("ttl", 60, "seconds that sessions last without a renewal; the default outlives the trouble")
	user, password := flag.String("user", "", "who asks, if auth is enabled"), flag.String("password", "", "of the user")
	flag.Parse()
	scenario := scenarios[flag.Arg(0)]
	if scenario == nil || *endpoints == "" || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "coordinate: name the endpoints and one scenario")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scenarioTimeout)
	defer cancel()
	r := &run{
		ctx: ctx, endpoints: strings.Split(*endpoints, ","), prefix: *prefix, ttl: *ttl,
		user: *user, password: *password,
		input: bufio.NewScanner(os.Stdin),
	}
	err := scenario(r)
	r.close()
	if err != nil {
		fmt.Fprintf(os.Stderr, "coordinate: %s: %v\n", flag.Arg(0), err)
		os.Exit(1)
	}
}

// run is one run of a scenario.
type run struct {
	ctx       context.Context
	endpoints []string
	prefix    string
	ttl       int
	user      string
	password  string
	input     *bufio.Scanner
	clients   []*client.Client
}

// connect returns a client of some members, of all when none is named.
func (r *run) connect(endpoints ...string) (*client.Client, error) {
	if len(endpoints) == 0 {
		endpoints = r.endpoints
	}
	c, err := client.New(client.Config{
		Endpoints: endpoints, Context: r.ctx, Logger: zap.NewNop(), Username: r.user, Password: r.password,
	})
	if err == nil {
		r.clients = append(r.clients, c)
	}
	return c, err
}

// session returns a session of a client of its own.
func (r *run) session() (*concurrency.Session, error) {
	c, err := r.connect()
	if err != nil {
		return nil, err
	}
	return concurrency.NewSession(c, concurrency.WithTTL(r.ttl))
}

func (r *run) sessions(n int) ([]*concurrency.Session, error) {
	var list []*concurrency.Session
	for range n {
		s, err := r.session()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (r *run) close() {
	for _, c := range r.clients {
		_ = c.Close()
	}
}

var errInputEnded = errors.New("the input ended")

// trouble lets the caller kill the member that leads, and returns the address of a member that is down then, or "".
func (r *run) trouble() (string, error) {
	down, err := r.ask("trouble")
	if err == nil && down != "" && !slices.Contains(r.endpoints, down) {
		err = fmt.Errorf("%q is not a member", down)
	}
	return down, err
}

// mend lets the caller start the member that is down.
func (r *run) mend() error {
	_, err := r.ask("mend")
	return err
}

func (r *run) ask(what string) (string, error) {
	fmt.Println(what)
	if !r.input.Scan() {
		return "", errors.Join(errInputEnded, r.input.Err())
	}
	return r.input.Text(), nil
}

// until waits until a condition holds; its error says what is missing.
func (r *run) until(condition func() error) error {
	var missing error
	for {
		err := condition()
		if err == nil {
			return nil
		}
		if missing == nil || r.ctx.Err() == nil { // else it only says that the time is over
			missing = err
		}
		select {
		case <-r.ctx.Done():
			return fmt.Errorf("gave up waiting: %w", missing)
		case <-time.After(pollInterval):
		}
	}
}

const pollInterval = 20 * time.Millisecond

// persist repeats what may be done twice until it succeeds or the context ends.
func persist(ctx context.Context, do func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := do(attempt)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// attemptTimeout is longer than a cluster needs for another leader.
const attemptTimeout = 10 * time.Second

// count returns how many keys have a prefix.
func count(ctx context.Context, c *client.Client, prefix string) (int64, error) {
	resp, err := c.Get(ctx, prefix, client.WithPrefix(), client.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return resp.Count, nil
}
