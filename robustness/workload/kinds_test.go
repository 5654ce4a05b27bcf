package workload

import (
	"fmt"
	"strings"
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/quoin/robustness/history"
)

// What each kind has to have done well after a moment.
var did = map[string][]string{
	"mixed":      {"PutRequest ok", "RangeRequest ok", "DeleteRangeRequest ok", "TxnRequest ok"},
	"leases":     {"LeaseGrantRequest ok", "PutRequest ok", "LeaseKeepAliveRequest ok", "LeaseTimeToLiveRequest ok"},
	"locks":      {"LeaseGrantRequest ok", "LockRequest ok", "UnlockRequest ok", "TxnRequest ok", "LeaseRevokeRequest ok"},
	"watches":    {"RangeRequest ok"},
	"auth":       {"AuthenticateRequest ok", "PutRequest ok", "PutRequest refused", "TxnRequest ok", "AuthUserGrantRoleRequest ok"},
	"kubernetes": {"TxnRequest ok", "RangeRequest ok", "LeaseGrantRequest ok"},
	"counters":   {"TxnRequest ok", "RangeRequest ok"},
	"large":      {"PutRequest ok", "RangeRequest ok", "TxnRequest ok"},
	"compactor":  {"RangeRequest ok", "CompactionRequest ok"},
}

// loadFor runs a load until enough was recorded.
func loadFor(t *testing.T, o Options, enough func(r *Recorder) bool, kinds ...Kind) *Recorder {
	t.Helper()
	o.Recorder = NewRecorder()
	w := Start(t.Context(), o, kinds...)
	defer w.Stop()
	eventually(t, "enough was recorded", func() bool { return enough(o.Recorder) })
	w.Stop()
	if w.Loaded() == 0 {
		t.Error("it is not known when the load ended")
	}
	return o.Recorder
}

func TestEveryKind(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, err := Find(name)
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Seed: 7, Targets: []Target{startMember(t).Target}, Password: "secret"}
			load := []Kind{kind}
			switch name {
			case "auth":
				setUp := o
				setUp.Recorder = NewRecorder()
				if err := SetupAuth(t.Context(), setUp, Auth{}); err != nil {
					t.Fatal(err)
				}
				consistent(t, setUp.Recorder)
				o.User = rootName
			case "watches":
				load = append(load, Mixed{})
			case "compactor":
				load = []Kind{Mixed{Clients: 2}, Compactor{Rate: 20, Behind: 20}}
			}
			missing := ""
			r := loadFor(t, o, func(r *Recorder) bool {
				missing = missingOf(outcomes(r), did[name])
				return missing == "" && len(r.Operations()) > 60
			}, load...)
			consistent(t, r)
			if name != "compactor" {
				complete(t, r, o.Targets[0])
			}
			t.Log(missing, outcomes(r), len(r.Watches()), "watches")
		})
	}
}

func missingOf(have map[string]int, want []string) string {
	for _, w := range want {
		if have[w] == 0 {
			return w
		}
	}
	return ""
}

// There must be no error of a request that a member takes for wrong: it would be a mistake of the load.
func TestTheMixedLoadIsValid(t *testing.T) {
	o := Options{Seed: 3, Targets: []Target{startMember(t).Target}, Patient: true}
	r := loadFor(t, o, func(r *Recorder) bool { return len(r.Operations()) >= 400 }, Mixed{Rate: 2000, Keys: 3})
	consistent(t, r)
	complete(t, r, o.Targets[0])
	for _, op := range r.Operations() {
		if op.Code != "" && op.Code != "OutOfRange" && (op.Outcome != history.Refused || op.Error != "etcdserver: key not found") {
			t.Fatalf("%v: %s %s", op.Request, op.Code, op.Error)
		}
	}
}

// Watches of every form have to come up within some streams.
func TestWatchesOfEveryForm(t *testing.T) {
	o := Options{Seed: 5, Targets: []Target{startMember(t).Target}}
	forms := func(r *Recorder) (n [7]int) {
		for _, w := range r.Watches() {
			for i, is := range []bool{
				w.Request.StartRevision == 0, w.Request.PrevKv, w.Request.Fragment, w.Request.ProgressNotify,
				len(w.Request.Filters) > 0, len(w.Request.RangeEnd) == 0, w.Resumes >= 0,
			} {
				if is {
					n[i]++
				}
			}
		}
		return n
	}
	r := loadFor(t, o, func(r *Recorder) bool {
		for _, n := range forms(r) {
			if n == 0 {
				return false
			}
		}
		return true
	}, Watches{Rate: 100}, Mixed{})
	consistent(t, r)
	progress := 0
	for _, w := range r.Watches() {
		for _, h := range w.Heard {
			if h.Response.WatchId == allWatches {
				progress++
			}
		}
	}
	if progress == 0 {
		t.Error("no watch was told how far it is")
	}
}

// Values have to be larger than sectors, and parts of two must not look like one.
func TestLargeValuesSpreadOverSectors(t *testing.T) {
	k := Large{Rate: 200, LeastBytes: 1 << 10, MostBytes: 16 << 10}
	sizes := func(r *Recorder) (small, large int) {
		for _, op := range r.Operations() {
			put, ok := op.Request.(*pb.PutRequest)
			if !ok {
				continue
			}
			switch n := len(put.Value); {
			case n < k.LeastBytes || n > k.MostBytes+20:
				t.Fatalf("a value of %d bytes", n)
			case n < 4<<10:
				small++
			default:
				large++
			}
			for at := 0; at+512 <= len(put.Value); at += 512 {
				if name, _, _ := strings.Cut(string(put.Value), " "); !strings.Contains(string(put.Value[at:at+512]), name) {
					t.Fatalf("a sector of %q does not say whose it is", name)
				}
			}
		}
		return small, large
	}
	r := loadFor(t, Options{Seed: 4, Targets: []Target{startMember(t).Target}}, func(r *Recorder) bool {
		small, large := sizes(r)
		return small > 5 && large > 5
	}, k)
	consistent(t, r)
}

func TestFencedWritesNameTheirFence(t *testing.T) {
	r := loadFor(t, Options{Seed: 2, Targets: []Target{startMember(t).Target}}, func(r *Recorder) bool {
		return outcomes(r)["UnlockRequest ok"] > 1
	}, Locks{Rate: 200})
	written := 0
	for _, op := range r.Operations() {
		txn, ok := op.Request.(*pb.TxnRequest)
		if !ok || op.Outcome != history.OK || txn.Success[0].GetRequestPut() == nil || !op.Response.(*pb.TxnResponse).Succeeded {
			continue
		}
		if put := txn.Success[0].GetRequestPut(); put.Lease == 0 {
			var client, n, fence int64
			if _, err := fmt.Sscanf(string(put.Value), "c%d-%d fence=%d", &client, &n, &fence); err != nil || txn.Compare[0].GetCreateRevision() != fence {
				t.Errorf("%v: %v", txn, err)
			}
			written++
		}
	}
	if written == 0 {
		t.Error("nobody wrote")
	}
}

func TestStopIsBounded(t *testing.T) {
	r := NewRecorder()
	w := Start(t.Context(), Options{Recorder: r, Targets: []Target{nobody(t)}}, Mixed{})
	eventually(t, "calls are made", func() bool { return len(r.Operations()) > 0 })
	begin := time.Now()
	w.Stop()
	if took := time.Since(begin); took > stopGrace+drainTimeout+headPatience {
		t.Errorf("it took %v", took)
	}
	consistent(t, r)
}
