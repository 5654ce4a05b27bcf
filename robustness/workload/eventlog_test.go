package workload

import (
	"slices"
	"strings"
	"testing"

	"quoin.dev/quoin/robustness/history"
)

func TestTheLogGoesOnOverARestart(t *testing.T) {
	m := startMember(t)
	r := NewRecorder()
	w := Start(t.Context(), Options{Seed: 1, Recorder: r, Targets: []Target{m.Target}}, Mixed{})
	defer w.Stop()
	for range 2 {
		reached := w.Acknowledged() + 30
		eventually(t, "writes are acknowledged", func() bool { return w.Acknowledged() >= reached })
		m.stop()
		m.start(t)
	}
	reached := w.Acknowledged() + 30
	eventually(t, "writes are acknowledged again", func() bool { return w.Acknowledged() >= reached })
	eventually(t, "the log is read again", func() bool { return len(r.Watches()) >= 3 })
	w.Stop()
	consistent(t, r)
	complete(t, r, m.Target)
	chain := r.Watches()
	if len(chain) < 3 || chain[0].Error == "" || chain[len(chain)-1].Error != "" {
		t.Errorf("%d watches: %q … %q", len(chain), chain[0].Error, chain[len(chain)-1].Error)
	}
	if n := outcomes(r); n["PutRequest ok"] == 0 {
		t.Error(n)
	}
}

func TestClientsLeaveAMemberThatIsGone(t *testing.T) {
	m, gone := startMember(t), nobody(t)
	r := NewRecorder()
	w := Start(t.Context(), Options{Seed: 1, Recorder: r, Targets: []Target{gone, m.Target}}, Mixed{Clients: 4})
	defer w.Stop()
	eventually(t, "all clients get answers", func() bool {
		served := map[int]bool{}
		for _, op := range r.Operations() {
			served[op.Client] = served[op.Client] || op.Outcome == history.OK
		}
		return len(served) == 4 && !slices.Contains([]bool{served[2], served[3], served[4], served[5]}, false)
	})
	w.RemoveTarget(gone.Name)
	w.Stop()
	consistent(t, r)
	complete(t, r, m.Target)
}

func TestTargetsComeAndGo(t *testing.T) {
	m, late := startMember(t), startMember(t)
	late.Name = "late"
	r := NewRecorder()
	w := Start(t.Context(), Options{Recorder: r, Targets: []Target{m.Target}})
	defer w.Stop()
	w.AddTarget(late.Target)
	heard := func() bool {
		return slices.ContainsFunc(r.Watches(), func(w history.Watch) bool { return w.Member == "late" })
	}
	eventually(t, "the new target is watched", heard)
	w.RemoveTarget("late")
	eventually(t, "the watch of what was taken away ends", func() bool {
		return slices.ContainsFunc(r.Watches(), func(w history.Watch) bool { return strings.Contains(w.Error, errRetired.Error()) })
	})
	w.Stop()
	consistent(t, r)
}

// A watch that comes too late goes on from where the past begins.
func TestTheLogBeginsWhereThePastBegins(t *testing.T) {
	m := startMember(t)
	c, _ := oneClient(t, m.Target)
	for range 10 {
		if _, err := c.put(putRequest("k", c.value())); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.compact(compactionAt(8)); err != nil {
		t.Fatal(err)
	}
	r := NewRecorder()
	w := Start(t.Context(), Options{Recorder: r, Targets: []Target{m.Target}})
	defer w.Stop()
	eventually(t, "the log goes on", func() bool { return len(r.Watches()) == 2 && len(r.Watches()[1].Heard) > 1 })
	w.Stop()
	all := r.Watches()
	if all[0].Heard[1].Response.CompactRevision != 8 || !strings.Contains(all[0].Error, "compacted") || all[1].Resumes != 0 || all[1].Request.StartRevision != 8 {
		t.Errorf("%+v\n%+v", all[0], all[1])
	}
	if events := all[1].Heard[1].Response.Events; events[0].Kv.ModRevision != 8 || len(events) != 4 {
		t.Errorf("%v", events)
	}
}
