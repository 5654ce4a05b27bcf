package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quoin.dev/server/bootstrap"
	"quoin.dev/server/membership"
)

// remote is a running member as others see it on its peer port.
type remote struct {
	*httptest.Server
	clusterID string
	members   []membership.Member
	version   string
	downgrade string
	status    int
	body      string // instead of the members
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{clusterID: "cafe", version: "3.7.0", downgrade: "false", status: 200}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/members":
			if r.clusterID != "" {
				w.Header().Set("X-Etcd-Cluster-ID", r.clusterID)
			}
			w.WriteHeader(r.status)
			if r.body != "" {
				fmt.Fprint(w, r.body)
				return
			}
			json.NewEncoder(w).Encode(r.members) //nolint:errcheck // the test sees it
		case "/version":
			fmt.Fprintf(w, `{"etcdserver":"3.7.3","etcdcluster":%q,"storage":"3.7.0"}`, r.version)
		case "/downgrade/enabled":
			fmt.Fprint(w, r.downgrade)
		default:
			http.NotFound(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

const own = "http://127.0.0.1:1"

func options(name, cluster string) bootstrap.Options {
	return bootstrap.Options{
		Name: name, InitialCluster: cluster, Token: "t", AdvertisePeerURLs: []string{own},
		MaxLearners: 1, Version: "3.7.3", MinClusterVersion: "3.0.0",
		Client:     &http.Client{},
		LookupHost: func(context.Context, string) ([]string, error) { return nil, errors.New("no such host") },
		RetryPause: time.Millisecond,
	}
}

func TestFoundAlone(t *testing.T) {
	got, err := bootstrap.Found(t.Context(), options("a", "a="+own))
	if err != nil {
		t.Fatal(err)
	}
	want := membership.FoundingID([]string{own}, "t")
	if got.MemberID != want || got.ClusterID != membership.ClusterID([]uint64{want}) || len(got.Members) != 1 || got.Members[0].Name != "a" {
		t.Errorf("got %+v", got)
	}
}

func TestFoundRefusesWrongFlags(t *testing.T) {
	for _, tt := range []struct {
		name, cluster string
		advertise     []string
		want          string
	}{
		{"b", "a=" + own, nil, `couldn't find local name "b" in the initial cluster configuration`},
		{"a", "a=" + own + ",b=" + own, nil, "initial cluster a=http://127.0.0.1:1,b=http://127.0.0.1:1 has duplicate url"},
		{"a", "a", nil, "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{"a", "a=" + own, []string{"http://127.0.0.1:2"}, `--initial-cluster has a=http://127.0.0.1:1 but missing from --initial-advertise-peer-urls=http://127.0.0.1:2 (resolved urls: "http://127.0.0.1:2" != "http://127.0.0.1:1")`},
		{"a", "a=" + own + ",a=http://127.0.0.1:2", nil, `--initial-cluster has a=http://127.0.0.1:2 but missing from --initial-advertise-peer-urls=http://127.0.0.1:1 (len(["http://127.0.0.1:1"]) != len(["http://127.0.0.1:1" "http://127.0.0.1:2"]))`},
		{"a", "a=" + own, []string{own, "http://127.0.0.1:2"}, "--initial-advertise-peer-urls has http://127.0.0.1:2 but missing from --initial-cluster=a=http://127.0.0.1:1"},
	} {
		o := options(tt.name, tt.cluster)
		if tt.advertise != nil {
			o.AdvertisePeerURLs = tt.advertise
		}
		if _, err := bootstrap.Found(t.Context(), o); err == nil || err.Error() != tt.want && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v\nwant %s", tt.cluster, err, tt.want)
		}
	}
}

func TestNamesAreComparedByAddress(t *testing.T) {
	var calls atomic.Int32
	o := options("a", "a=http://node-a:1")
	o.LookupHost = func(_ context.Context, host string) ([]string, error) {
		if calls.Add(1) < 3 {
			return nil, errors.New("not there yet")
		}
		return []string{"10.0.0.9", "127.0.0.1"}, nil
	}
	if _, err := bootstrap.Found(t.Context(), o); err != nil {
		t.Error(err)
	}
	o.LookupHost = func(context.Context, string) ([]string, error) { return []string{"10.0.0.9"}, nil }
	if _, err := bootstrap.Found(t.Context(), o); err == nil || !strings.Contains(err.Error(), "resolved urls") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	o.LookupHost = options("", "").LookupHost
	if _, err := bootstrap.Found(ctx, o); err == nil || !strings.Contains(err.Error(), "failed to resolve http://node-a:1") {
		t.Errorf("got %v", err)
	}
}

func TestFoundRefusesAMemberThatHasServedBefore(t *testing.T) {
	r := newRemote(t)
	id := membership.FoundingID([]string{own}, "t")
	o := options("a", "a="+own+",b="+r.URL)

	founders, err := membership.ParseInitialCluster(o.InitialCluster, o.Token)
	if err != nil {
		t.Fatal(err)
	}
	r.clusterID = membership.FormatID(membership.ClusterID(membership.IDs(founders)))
	r.members = []membership.Member{{ID: id, PeerURLs: []string{own}}}
	if _, err := bootstrap.Found(t.Context(), o); err != nil {
		t.Errorf("a founder that has not served yet was refused: %v", err)
	}
	r.members[0].ClientURLs = []string{"http://127.0.0.1:3"}
	_, err = bootstrap.Found(t.Context(), o)
	var already *bootstrap.AlreadyBootstrappedError
	if !errors.As(err, &already) || already.ID != id || !strings.HasPrefix(err.Error(), "member "+membership.FormatID(id)+" has already been bootstrapped") {
		t.Errorf("got %v", err)
	}
}

// Members of two clusters refuse each other's messages, and a founder among strangers waits for ever.
func TestFoundRefusesStrangers(t *testing.T) {
	stranger, kin := newRemote(t), newRemote(t)
	o := options("a", "a="+own+",b="+stranger.URL+",c="+kin.URL)
	founders, err := membership.ParseInitialCluster(o.InitialCluster, o.Token)
	if err != nil {
		t.Fatal(err)
	}
	ours := membership.ClusterID(membership.IDs(founders))
	stranger.members = []membership.Member{{ID: 1, PeerURLs: []string{stranger.URL}}}

	kin.status = http.StatusServiceUnavailable
	_, err = bootstrap.Found(t.Context(), o)
	if !errors.Is(err, bootstrap.ErrOtherCluster) || !strings.Contains(err.Error(), membership.FormatID(ours)) || !strings.Contains(err.Error(), "cafe") {
		t.Errorf("all that answer are strangers: got %v", err)
	}
	kin.status, kin.clusterID, kin.members = http.StatusOK, membership.FormatID(ours), founders
	if got, err := bootstrap.Found(t.Context(), o); err != nil || got.ClusterID != ours {
		t.Errorf("one is of this cluster: got %+v, %v", got, err)
	}
}

func TestJoin(t *testing.T) {
	r := newRemote(t)
	down := "http://127.0.0.1:2" // nobody listens
	full := []membership.Member{
		{ID: 0x11, PeerURLs: []string{r.URL}, Name: "r", ClientURLs: []string{"http://c"}},
		{ID: 0x22, PeerURLs: []string{down}, Name: "d"},
		{ID: 0x33, PeerURLs: []string{own}},
	}
	tests := []struct {
		name  string
		setup func(*bootstrap.Options)
		want  string
	}{
		{"good", func(*bootstrap.Options) {}, ""},
		{"as a learner", func(*bootstrap.Options) { r.members[2].IsLearner = true }, ""},
		// etcd#21178, etcd#10817
		{"served before", func(*bootstrap.Options) { r.members[2].ClientURLs = []string{"http://c"} }, "member 33 has already been bootstrapped; if its data is lost, remove it"},
		{"too many learners", func(*bootstrap.Options) { r.members[1].IsLearner, r.members[2].IsLearner = true, true }, "membership: too many learner members in cluster"},
		{"not added yet", func(*bootstrap.Options) { r.members = r.members[:2] }, "member count is unequal"},
		{"added with another URL", func(*bootstrap.Options) { r.members[2].PeerURLs = []string{"http://127.0.0.1:9"} }, "PeerURLs: no match found"},
		{"nobody answers", func(o *bootstrap.Options) { o.InitialCluster = "a=" + own + ",d=" + down }, "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"},
		{"error status", func(*bootstrap.Options) { r.status = 500 }, "could not retrieve"},
		{"no cluster id", func(*bootstrap.Options) { r.clusterID = "" }, "could not retrieve"},
		{"bad JSON", func(*bootstrap.Options) { r.body = "x" }, "could not retrieve"},
		{"no members", func(*bootstrap.Options) { r.body = "[]" }, "could not retrieve"},
		{"an id twice", func(*bootstrap.Options) { r.body = `[{"id":1},{"id":1}]` }, "could not retrieve"},
		{"endless body", func(*bootstrap.Options) { r.body = strings.Repeat("[", 5<<20) }, "could not retrieve"}, // etcd#22147
		{"older cluster", func(*bootstrap.Options) { r.version = "3.6.0" }, ""},
		{"newer cluster", func(*bootstrap.Options) { r.version = "3.8.0" }, "incompatible with current running cluster"},
		{"much newer cluster during a downgrade", func(*bootstrap.Options) { r.version, r.downgrade = "3.9.0", "true" }, "incompatible with current running cluster"},
		{"newer cluster during a downgrade", func(*bootstrap.Options) { r.version, r.downgrade = "3.8.0", "true" }, ""},
		{"too old cluster", func(*bootstrap.Options) { r.version = "2.3.0" }, "incompatible with current running cluster"},
		{"no cluster version", func(*bootstrap.Options) { r.version = "not_decided" }, "incompatible with current running cluster"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r.clusterID, r.version, r.downgrade, r.status, r.body = "cafe", "3.7.0", "false", 200, ""
			r.members = slices.Clone(full)
			o := options("a", "a="+own+",d="+down+",r="+r.URL)
			tt.setup(&o)
			got, err := bootstrap.Join(t.Context(), o)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.MemberID != 0x33 || got.ClusterID != 0xcafe || len(got.Members) != 3 || got.Members[0].ClientURLs == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestDefaultsFoundAClusterOfOne(t *testing.T) {
	o := options("default", "default=http://localhost:2380")
	o.Token, o.AdvertisePeerURLs = "etcd-cluster", []string{"http://localhost:2380"}
	got, err := bootstrap.Found(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// The ids that etcd 3.7.3 has when it is started without flags.
	if membership.FormatID(got.MemberID) != "8e9e05c52164694d" || membership.FormatID(got.ClusterID) != "cdf818194e3a8c32" {
		t.Errorf("got member %x of cluster %x", got.MemberID, got.ClusterID)
	}
}
