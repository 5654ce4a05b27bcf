package schema

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"quoin.dev/api/authpb"
	"quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"
	"quoin.dev/storage/backend"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stage opens a backend, lets write fill it, and gives read the rows twice: from the table, and from the file.
func stage(t *testing.T, write func(w Writer), read func(t *testing.T, r Reader)) {
	t.Helper()
	b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db")})
	check(t, err)
	defer func() { check(t, b.Close()) }()
	write(b)
	for _, where := range []string{"table", "file"} {
		t.Run(where, func(t *testing.T) {
			v := b.View()
			defer v.Close()
			read(t, v)
		})
		b.Commit(backend.Applied{Index: 1, Term: 1})
		check(t, b.Flush())
	}
}

func TestMembership(t *testing.T) {
	m := Member{ID: 0x291a995fcfeb4df, PeerURLs: []string{"http://127.0.0.1:1"}, Name: "n<1>", ClientURLs: []string{"http://127.0.0.1:2"}}
	learner := Member{ID: 7, PeerURLs: []string{"http://127.0.0.1:3"}, IsLearner: true}
	stage(t, func(w Writer) {
		PutMember(w, Member{ID: 9})
		PutMember(w, m)
		PutMember(w, learner)
		RemoveMember(w, 9)
		PutClusterVersion(w, "3.7.0")
		PutDowngrade(w, Downgrade{TargetVersion: "3.6.0", Enabled: true})
	}, func(t *testing.T, r Reader) {
		members, err := Members(r)
		check(t, err)
		if len(members) != 2 || members[0].Name != m.Name || !members[1].IsLearner {
			t.Errorf("members %+v", members)
		}
		if got := string(r.Get(backend.Members, []byte("7"))); got != `{"id":7,"peerURLs":["http://127.0.0.1:3"],"isLearner":true}` {
			t.Errorf("row %s", got)
		}
		removed, err := RemovedMembers(r)
		check(t, err)
		if !slices.Equal(removed, []uint64{9}) || string(r.Get(backend.MembersRemoved, []byte("9"))) != "removed" {
			t.Errorf("removed %v", removed)
		}
		d, err := ReadDowngrade(r)
		check(t, err)
		if ClusterVersion(r) != "3.7.0" || d.TargetVersion != "3.6.0" || !d.Enabled {
			t.Errorf("version %s downgrade %+v", ClusterVersion(r), d)
		}
		if got := string(r.Get(backend.Cluster, []byte("downgrade"))); got != `{"target-version":"3.6.0","enabled":true}` {
			t.Errorf("row %s", got)
		}
	})
}

func TestClearMembership(t *testing.T) {
	b, err := backend.Open(backend.Options{Path: filepath.Join(t.TempDir(), "db")})
	check(t, err)
	defer func() { check(t, b.Close()) }()
	PutMember(b, Member{ID: 1})
	RemoveMember(b, 2)
	v := b.View()
	check(t, ClearMembership(v, b))
	v.Close()
	v = b.View()
	defer v.Close()
	members, err := Members(v)
	check(t, err)
	removed, err := RemovedMembers(v)
	check(t, err)
	if len(members)+len(removed) != 0 {
		t.Errorf("left %v %v", members, removed)
	}
}

func TestLeasesAndAlarms(t *testing.T) {
	l := &leasepb.Lease{ID: -5, TTL: 60, RemainingTTL: 3}
	a := &etcdserverpb.AlarmMember{MemberID: 7, Alarm: etcdserverpb.AlarmType_NOSPACE}
	stage(t, func(w Writer) {
		PutLease(w, l)
		PutLease(w, &leasepb.Lease{ID: 4, TTL: 1})
		DeleteLease(w, 4)
		PutAlarm(w, a)
		PutAlarm(w, &etcdserverpb.AlarmMember{MemberID: 8})
		DeleteAlarm(w, &etcdserverpb.AlarmMember{MemberID: 8})
	}, func(t *testing.T, r Reader) {
		leases, err := Leases(r)
		check(t, err)
		alarms, err := Alarms(r)
		check(t, err)
		if len(leases) != 1 || !proto.Equal(leases[0], l) || len(alarms) != 1 || !proto.Equal(alarms[0], a) {
			t.Errorf("leases %v alarms %v", leases, alarms)
		}
	})
}

func TestAuth(t *testing.T) {
	u := &authpb.User{Name: []byte("alice"), Password: []byte("hash"), Roles: []string{"r"}}
	role := &authpb.Role{Name: []byte("r"), KeyPermission: []*authpb.Permission{{Key: []byte("a"), RangeEnd: []byte("b")}}}
	stage(t, func(w Writer) {
		PutAuthEnabled(w, true)
		PutAuthRevision(w, 24)
		PutUser(w, u)
		PutUser(w, &authpb.User{Name: []byte("bob")})
		DeleteUser(w, "bob")
		PutRole(w, role)
		PutRole(w, &authpb.Role{Name: []byte("s")})
		DeleteRole(w, "s")
	}, func(t *testing.T, r Reader) {
		users, err := Users(r)
		check(t, err)
		roles, err := Roles(r)
		check(t, err)
		if !AuthEnabled(r) || AuthRevision(r) != 24 || len(users) != 1 || !proto.Equal(users[0], u) || len(roles) != 1 || !proto.Equal(roles[0], role) {
			t.Errorf("enabled %v revision %d users %v roles %v", AuthEnabled(r), AuthRevision(r), users, roles)
		}
	})
}

func TestStorageVersion(t *testing.T) {
	for text, want := range map[string]error{"": nil, "3.6.0": nil, "3.7.0": nil, "3.8.0": ErrNewerVersion, "4.0.0": ErrNewerVersion} {
		stage(t, func(w Writer) { PutStorageVersion(w, text) }, func(t *testing.T, r Reader) {
			if err := CheckStorageVersion(r); !errors.Is(err, want) || StorageVersion(r) != text {
				t.Errorf("%q: %v", text, err)
			}
		})
	}
	stage(t, func(w Writer) { PutStorageVersion(w, "three") }, func(t *testing.T, r Reader) {
		if CheckStorageVersion(r) == nil {
			t.Error("a malformed version was accepted")
		}
	})
}

func TestCompactionMarkers(t *testing.T) {
	stage(t, func(Writer) {}, func(t *testing.T, r Reader) {
		if c, err := ReadCompaction(r); err != nil || c != (Compaction{-1, -1}) {
			t.Errorf("%+v %v", c, err)
		}
	})
	stage(t, func(w Writer) { PutScheduledCompaction(w, 127) }, func(t *testing.T, r Reader) {
		if c, err := ReadCompaction(r); err != nil || c != (Compaction{127, -1}) {
			t.Errorf("%+v %v", c, err)
		}
	})
	stage(t, func(w Writer) { w.Put(backend.Meta, []byte("finishedCompactRev"), []byte("x")) }, func(t *testing.T, r Reader) {
		if _, err := ReadCompaction(r); err == nil {
			t.Error("a malformed marker was accepted")
		}
	})
}

// Members before 3.6 have no version row, and must find none when they get the file back.
func TestStorageVersionFor(t *testing.T) {
	for cluster, want := range map[string]string{
		"3.7.0": "3.7.0", "3.6.0": "3.6.0", "3.10.0": "3.10.0", "4.0.0": "4.0.0", "3.5.0": "", "3.0.0": "", "2.9.0": "", "": "", "x": "",
	} {
		if got := StorageVersionFor(cluster); got != want {
			t.Errorf("%q: got %q, want %q", cluster, got, want)
		}
	}
}
