package report_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/quoin/robustness/history"
)

// started is when crafted runs began.
var started = time.Date(2026, 11, 28, 2, 30, 0, 0, time.UTC)

// The crafted run: a leader is killed and comes back, then the next one is cut off.
const (
	killed, back = 8 * time.Second, 12 * time.Second
	cut, joined  = 18 * time.Second, 23 * time.Second
	away         = 1300 * time.Millisecond // how long an election takes in it
)

// crafted is a plausible run of three members over 30 s.
func crafted(seed uint64, operations int) *history.Record {
	r := &history.Record{
		Scenario: "leader-loss", Seed: seed, Host: "containers", Started: started, Duration: 31 * time.Second, Loaded: 30 * time.Second,
		Faults: []history.Fault{
			{Kind: "kill", Members: []string{"m0"}, Detail: "SIGKILL to the process, started again later", Injected: killed, Healed: back, Proof: "process 4711 ended by signal 9 after 3 ms"},
			{Kind: "isolate", Members: []string{"m1"}, Detail: "no packet passes between m1 and the others", Injected: cut, Healed: joined, Proof: "412 packets dropped by the rules of m1"},
		},
		States: states(),
	}
	for i := range 3 {
		name := fmt.Sprintf("m%d", i)
		r.Members = append(r.Members, history.Member{Name: name, Program: "quoin 0.1.0", Address: fmt.Sprintf("172.18.0.%d", i+2), LogFile: name + ".log"})
	}
	load(r, rand.New(rand.NewPCG(seed, 1)), operations)
	for _, m := range r.Members {
		r.Ends = append(r.Ends, history.End{Member: m.Name, Revision: int64(operations), CompactRevision: 1000, Hash: 0xcafe1234, HashRevision: int64(operations)})
	}
	r.Verdicts = []history.Verdict{
		{Check: "linearizable", What: "Operations happen at one moment between call and return.", Took: 2345 * time.Millisecond, Judged: fmt.Sprintf("%d operations of 8 clients", operations)},
		{Check: "watch-ordered", What: "Events of a watch come in the order of revisions, each once.", Took: 80 * time.Millisecond, Judged: "3 watches with 2811 events"},
		{Check: "durable", What: "What was acknowledged is in the logs of a majority.", Took: 430 * time.Millisecond, Judged: "2811 writes in 3 logs"},
		{Check: "hashes", What: "All members hold the same at the end.", Took: time.Millisecond, Judged: "3 members"},
		{Check: "leases", What: "No lease ends early or lives for ever.", Skipped: "No client used leases."},
		{Check: "available", What: "Writes go on within 5 s of a fault that leaves a quorum.", Judged: "2 faults, at most 1.3 s"},
		{Check: "faults", What: "Every fault was seen to bite.", Judged: "2 faults"},
	}
	return r
}

// leading is who leads and in which term, -1 for nobody.
func leading(at time.Duration) (leader int, term uint64) {
	switch {
	case at < killed:
		return 0, 2
	case at < killed+away:
		return -1, 2
	case at < cut:
		return 1, 3
	case at < cut+away:
		return -1, 3
	}
	return 2, 4
}

func states() []history.State {
	var list []history.State
	for at := time.Duration(0); at <= 31*time.Second; at += 100 * time.Millisecond {
		leader, term := leading(at)
		for i := range 3 {
			s := history.State{At: at, Member: fmt.Sprintf("m%d", i), Alive: true, Role: "follower", Term: term, Leader: uint64(leader + 1)}
			isolated := i == 1 && at >= cut && at < joined
			switch {
			case i == 0 && at >= killed && at < back:
				s = history.State{At: at, Member: s.Member}
			case i == 0 && at >= back && at < back+400*time.Millisecond:
				s = history.State{At: at, Member: s.Member, Alive: true}
			case isolated && at < cut+time.Second:
				s.Role, s.Leader, s.Term = "leader", 2, 3
			case isolated:
				s.Leader, s.Term = 0, 3
			case i == leader:
				s.Role = "leader"
			}
			list = append(list, s)
		}
	}
	return list
}

// load makes operations and watches of eight clients.
func load(r *history.Record, random *rand.Rand, operations int) {
	revision := int64(1)
	pace := 30 * time.Second / time.Duration(operations)
	events := make([]history.Watch, 3)
	for i := range events {
		events[i] = history.Watch{Client: 100 + i, Member: fmt.Sprintf("m%d", i), Resumes: -1, Opened: time.Millisecond, Closed: 31 * time.Second,
			Request: &pb.WatchCreateRequest{Key: []byte{0}, RangeEnd: []byte{0}, StartRevision: 1, PrevKv: true}}
	}
	var busy [8]time.Duration
	for i := range operations {
		call := time.Duration(i) * pace
		if busy[i%8] > call {
			continue
		}
		took := time.Duration(800+random.ExpFloat64()*900) * time.Microsecond
		o := history.Operation{Client: i % 8, Member: fmt.Sprintf("m%d", i%3), Call: call, Return: call + took, Outcome: history.OK}
		key, value := fmt.Appendf(nil, "k%d", random.IntN(6)), fmt.Appendf(nil, "c%d-%06d", i%8, i)
		leader, _ := leading(call)
		dead := o.Member == "m0" && call >= killed && call < back
		switch {
		case dead:
			o.Outcome, o.Code, o.Error = history.Refused, "Unavailable", "connection error: dial tcp 172.18.0.2:2379: connect: connection refused"
		case leader < 0 || o.Member == "m1" && call >= cut && call < joined:
			o.Outcome, o.Code, o.Error, o.Return = history.Unknown, "DeadlineExceeded", "context deadline exceeded", call+900*time.Millisecond
		case random.IntN(200) == 0:
			o.Outcome, o.Code, o.Error = history.Refused, "ResourceExhausted", "etcdserver: too many requests"
		}
		header := &pb.ResponseHeader{Revision: revision}
		kv := &mvccpb.KeyValue{Key: key, Value: value, ModRevision: revision, CreateRevision: 2, Version: revision - 1}
		switch random.IntN(10) {
		case 0, 1, 2, 3:
			o.Request, o.Response = &pb.RangeRequest{Key: key}, &pb.RangeResponse{Header: header, Kvs: []*mvccpb.KeyValue{kv}, Count: 1}
		case 4:
			o.Request = &pb.TxnRequest{
				Compare: []*pb.Compare{{Key: key, Target: pb.Compare_MOD, TargetUnion: &pb.Compare_ModRevision{ModRevision: revision}}},
				Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: value}}}},
			}
			o.Response = &pb.TxnResponse{Header: header}
		default:
			o.Request = &pb.PutRequest{Key: key, Value: value}
			if o.Outcome == history.OK {
				revision++
				header.Revision, kv.ModRevision = revision, revision
				w := &events[i%3]
				w.Heard = append(w.Heard, history.Heard{At: o.Return, Response: &pb.WatchResponse{Header: header, Events: []*mvccpb.Event{{Kv: kv}}}})
			}
			o.Response = &pb.PutResponse{Header: header}
		}
		if o.Outcome != history.OK {
			o.Response = nil
		}
		busy[i%8] = o.Return
		r.Operations = append(r.Operations, o)
	}
	r.Watches = append(events, history.Watch{Client: 100, Member: "m0", Resumes: 0, Request: events[0].Request, Opened: back, Closed: back + time.Second, Error: "Unavailable: EOF"})
}

// found puts findings into a crafted run.
func found(r *history.Record) *history.Record {
	var near []int
	for i, o := range r.Operations {
		if o.Call > cut-30*time.Millisecond && len(near) < 12 {
			near = append(near, i)
		}
	}
	r.Verdicts[0].Findings = []history.Finding{{
		Text: "No order of the operations on k3 explains what the clients were told: client 5 read c2-003110 at revision 1714, after client 2 was told that c4-003132 replaced it at revision 1719.",
		At:   cut + 40*time.Millisecond, Operations: near, Picture: "linearizable-k3.html",
	}}
	r.Verdicts[1].Findings = []history.Finding{{
		Text: "Watch 1 heard revision 1720 after 1722.", At: joined + 200*time.Millisecond, Watches: []int{1, 3},
	}, {
		Text: "Watch 3 ended with no reason.", At: joined + 300*time.Millisecond, Watches: []int{3},
	}}
	return r
}

// writeLogs writes a log for each member, and the picture.
func writeLogs(t testing.TB, dir string, r *history.Record) {
	t.Helper()
	for _, m := range r.Members {
		var b strings.Builder
		for at := time.Duration(0); at < r.Duration; at += 60 * time.Millisecond {
			level, message := "info", "took a snapshot of the log"
			if at > cut && at < cut+time.Second {
				level, message = "warn", "lost connection to a member"
			}
			fmt.Fprintf(&b, `{"level":%q,"ts":%q,"caller":"raftnode/core.go:120","msg":%q,"local-member-id":"8e9e05c52164694d","index":%d}`+"\n",
				level, started.Add(at).Format("2006-01-02T15:04:05.999999Z0700"), message, at/time.Millisecond)
		}
		write(t, filepath.Join(dir, m.LogFile), b.String())
	}
	write(t, filepath.Join(dir, "linearizable-k3.html"), "<!doctype html><title>picture</title><p>the picture of porcupine")
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
