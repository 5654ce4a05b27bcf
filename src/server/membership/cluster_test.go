package membership_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"quoin.dev/server/membership"
	"quoin.dev/storage/backend"
	"quoin.dev/storage/schema"
)

func TestSeedsAreListedUntilApplied(t *testing.T) {
	stored := rows{}
	c := membership.New(stored, options)
	a, b := member(1, "http://1"), member(2, "http://2")
	c.Seed([]membership.Member{b, a})
	if got := c.Members(); !reflect.DeepEqual(got, []membership.Member{a, b}) {
		t.Errorf("got %v", got)
	}
	if len(stored) != 0 {
		t.Error("seeds were persisted")
	}
	// The entries of the seeds themselves are not refused.
	apply(t, c, membership.AddChange(a), membership.AddChange(b))
	c.SetAttributes(1, "a", []string{"http://c"})
	if m, _ := c.Member(1); m.Name != "a" {
		t.Error("the seed hides the applied member")
	}
	apply(t, c, membership.RemoveChange(2))
	if _, ok := c.Member(2); ok || len(c.Members()) != 1 || !c.IsRemoved(2) {
		t.Error("a removed member came back as a seed")
	}
}

func TestRemovedWinsOverAStaleMemberRow(t *testing.T) { // etcd#20967
	stored := rows{}
	schema.PutMember(stored, member(1, "http://1"))
	stored.Put(backend.MembersRemoved, []byte("1"), []byte("removed"))
	c, err := membership.Load(stored, stored, options)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Members()) != 0 || !c.IsRemoved(1) {
		t.Errorf("members %v", c.Members())
	}
}

func TestLoadRefusesDamagedRows(t *testing.T) {
	for want, put := range map[string]func(rows){
		"does not decode":         func(r rows) { r.Put(backend.Members, []byte("1"), []byte("x")) },
		"says its id is 2":        func(r rows) { r.Put(backend.Members, []byte("1"), []byte(`{"id":2}`)) },
		"not a member id":         func(r rows) { r.Put(backend.MembersRemoved, []byte("zz"), nil) },
		"\"01\" is not a member":  func(r rows) { r.Put(backend.Members, []byte("01"), []byte(`{"id":1}`)) },
		"the cluster speaks":      func(r rows) { r.Put(backend.Cluster, []byte("clusterVersion"), []byte("3.8.0")) },
		"does not parse":          func(r rows) { r.Put(backend.Cluster, []byte("clusterVersion"), []byte("x")) },
		"downgrade: the row does": func(r rows) { r.Put(backend.Cluster, []byte("downgrade"), []byte("x")) },
	} {
		r := rows{}
		put(r)
		if _, err := membership.Load(r, r, options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestVersionAndDowngradeRows(t *testing.T) {
	stored := rows{}
	c := membership.New(stored, options)
	c.SetVersion("3.7.0")
	c.SetDowngrade(membership.Downgrade{TargetVersion: "3.6.0", Enabled: true})
	if got := stored[backend.Cluster]["downgrade"]; got != `{"target-version":"3.6.0","enabled":true}` {
		t.Errorf("row %s", got)
	}
	again, err := membership.Load(stored, stored, options)
	if err != nil {
		t.Fatal(err)
	}
	if again.Version() != "3.7.0" || again.Downgrade() != c.Downgrade() {
		t.Errorf("got %s %v", again.Version(), again.Downgrade())
	}
	defer func() {
		if recover() == nil {
			t.Error("a newer cluster version was accepted")
		}
	}()
	c.SetVersion("3.8.0")
}

func TestSetAttributesOfUnknownMember(t *testing.T) { // etcd#20051
	stored := rows{}
	c := membership.New(stored, options)
	if c.SetAttributes(1, "a", nil) || len(stored) != 0 {
		t.Error("an unknown member got attributes")
	}
}

func TestQuorumRules(t *testing.T) {
	// started and total voters -> may one be added, may a started or an unstarted one be removed.
	for _, tt := range []struct {
		started, total                      int
		add, removeStarted, removeUnstarted bool
	}{
		{1, 1, true, false, false},
		{1, 2, false, false, true},
		{2, 2, true, true, false},
		{2, 3, false, false, true},
		{3, 3, true, true, false},
		{3, 4, true, true, true},
		{3, 5, false, false, true},
		{4, 5, true, true, true},
	} {
		c := membership.New(rows{}, options)
		for i := range tt.total {
			apply(t, c, membership.AddChange(member(uint64(i+1), "http://"+string(rune('a'+i)))))
			if i < tt.started {
				c.SetAttributes(uint64(i+1), "m", nil)
			}
		}
		apply(t, c, membership.AddChange(learner(99, "http://l")))
		if got := c.MayAddVoter(); got != tt.add {
			t.Errorf("%d of %d: MayAddVoter %v", tt.started, tt.total, got)
		}
		if got := c.MayPromote(99); got != (tt.add && tt.total > 1) {
			t.Errorf("%d of %d: MayPromote of one that never started %v", tt.started, tt.total, got)
		}
		if got := c.MayRemoveVoter(1); got != tt.removeStarted {
			t.Errorf("%d of %d: MayRemoveVoter of a started one %v", tt.started, tt.total, got)
		}
		if got := c.MayRemoveVoter(uint64(tt.total)); tt.started < tt.total && got != tt.removeUnstarted {
			t.Errorf("%d of %d: MayRemoveVoter of one that never started %v", tt.started, tt.total, got)
		}
		if !c.MayRemoveVoter(99) {
			t.Error("a learner may always be removed")
		}
		c.SetAttributes(99, "l", nil)
		if want := tt.started+1 >= (tt.total+1)/2+1; c.MayPromote(99) != want {
			t.Errorf("%d of %d: MayPromote of one that started %v", tt.started, tt.total, !want)
		}
	}
}

func TestMembersHandler(t *testing.T) {
	c := membership.New(rows{}, options)
	apply(t, c, membership.AddChange(learner(11257590001649574179, "http://127.0.0.1:24973")), membership.AddChange(member(626696555494924317, "http://127.0.0.1:24972")))
	c.SetAttributes(626696555494924317, "m", []string{"http://127.0.0.1:24971"})
	h := membership.Handler(c, 0xa59595877e45554f)
	get := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	// Captured from etcd 3.7.3.
	want := `[{"id":626696555494924317,"peerURLs":["http://127.0.0.1:24972"],"name":"m","clientURLs":["http://127.0.0.1:24971"]},{"id":11257590001649574179,"peerURLs":["http://127.0.0.1:24973"],"isLearner":true}]` + "\n"
	w := get(http.MethodGet, "/members")
	if w.Code != 200 || w.Body.String() != want || w.Header().Get("X-Etcd-Cluster-ID") != "a59595877e45554f" || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %v", w.Code, w.Body, w.Header())
	}
	if w := get(http.MethodGet, "/members/"); w.Code != 404 {
		t.Errorf("got %d", w.Code)
	}
	if w := get(http.MethodPost, "/members"); w.Code != 405 || w.Header().Get("Allow") != "GET" || w.Body.String() != "Method Not Allowed\n" {
		t.Errorf("got %d %v %q", w.Code, w.Header(), w.Body)
	}
}
