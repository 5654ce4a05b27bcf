// Package probe answers whether a member is alive, ready and healthy, within a bounded time whatever is broken.
package probe

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	pb "quoin.dev/api/etcdserverpb"
)

// answerWithin bounds how long a check may take; probes of operators give up after 2 s or more.
const answerWithin = 1500 * time.Millisecond

// errTimeout is what a check that takes longer says, as a request would.
var errTimeout = errors.New("etcdserver: request timed out")

// Member is what is asked. Every method may hang, except that the others then still do not.
type Member interface {
	// ReadLocal returns nil if this member can show what it holds.
	ReadLocal(ctx context.Context) error
	// ReadLatest returns nil once this member has everything that was committed when it was asked.
	ReadLatest(ctx context.Context) error
	// Alarms are those that were raised and not taken back.
	Alarms() []*pb.AlarmMember
	HasLeader() bool
	IsLearner() bool
	// Health returns why clients should ask another member.
	Health() (reasons []error, changed <-chan struct{})
	// Trusted returns an error when this member holds something else than the others.
	Trusted() error
}

// Observer is told every answer, for metrics.
type Observer interface {
	// Health is an answer of /health.
	Health(good bool)
	// Check is one check for "livez" or "readyz".
	Check(of, name string, good bool)
}

// Register adds /health, /livez and /readyz to a server.
func Register(mux *http.ServeMux, m Member, o Observer) {
	c := newChecks(m)
	c.observer = o
	mux.HandleFunc("/health", onlyGet(c.serveHealth))
	for path, list := range map[string][]*check{"/livez": c.live, "/readyz": c.ready} {
		mux.HandleFunc(path, onlyGet(func(w http.ResponseWriter, r *http.Request) {
			c.serve(w, r, path, without(list, r.URL.Query()["exclude"]))
		}))
		for _, one := range list {
			if !one.quiet {
				mux.HandleFunc(path+"/"+one.name, onlyGet(func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, path, []*check{one}) }))
			}
		}
	}
}

// without leaves out checks by their names. Names of none mean nothing.
func without(list []*check, excluded []string) []*check {
	return slices.DeleteFunc(slices.Clone(list), func(c *check) bool { return slices.Contains(excluded, c.name) })
}

func onlyGet(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", http.MethodGet)
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		next(w, r)
	}
}

// serve answers with one line per check if it is asked to be verbose or one fails, and with ok otherwise.
func (c *checks) serve(w http.ResponseWriter, r *http.Request, path string, list []*check) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	results := runAll(ctx, list)
	var body strings.Builder
	failed := false
	for i, one := range list {
		c.observer.Check(path[1:], one.name, results[i] == nil)
		switch {
		case results[i] != nil:
			failed = true
			body.WriteString("[-]" + one.name + " failed: " + results[i].Error() + "\n")
		case !one.quiet:
			body.WriteString("[+]" + one.name + " ok\n")
		}
	}
	if failed {
		http.Error(w, body.String(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !r.URL.Query().Has("verbose") {
		body.Reset()
	}
	body.WriteString("ok\n")
	_, _ = w.Write([]byte(body.String()))
}
