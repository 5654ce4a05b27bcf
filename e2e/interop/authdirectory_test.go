package interop

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"quoin.dev/quoin/e2e/interop/lab"
)

// TestDirectoriesWithAuthChangeHands opens directories in which auth is enabled with another server, again and again: who may do
// what is the same, and users and roles go on changing.
func TestDirectoriesWithAuthChangeHands(t *testing.T) {
	t.Parallel()
	subject := lab.Subject(t)
	for _, c := range []struct {
		first, second lab.Kind
		ending, kept  string
	}{
		{lab.Etcd, subject, "kill", "log"}, {lab.Etcd, subject, "stop", "snapshots"},
		{subject, lab.Etcd, "kill", "snapshots"}, {subject, lab.Etcd, "stop", "log"},
	} {
		t.Run(fmt.Sprintf("%s-%s %s %s", c.first, c.second, c.ending, c.kept), func(t *testing.T) {
			t.Parallel()
			flags := []string{"--bcrypt-cost=4"}
			if c.kept == "snapshots" {
				flags = append(flags, "--snapshot-count=20", "--snapshot-catchup-entries=10")
			}
			m := lab.StartOne(t, c.first, flags...)
			furnishAuth(t, m)
			m.As = login("root")
			outcomes(t, m.ConnAs(t, login("alice"))) // some leave keys behind, so that they come to something else at first
			for i, next := range []lab.Kind{c.second, c.first, c.second} {
				changeUsers(t, m, fmt.Sprint(i))
				handWithAuth(t, m, c.ending, next)
			}
		})
	}
}

// handWithAuth ends a member and lets another server go on.
func handWithAuth(t *testing.T, m *lab.Member, ending string, next lab.Kind) {
	t.Helper()
	alice := m.ConnAs(t, login("alice"))
	facts, state := must[string](t)(authAt(t)(m)), readState(t, m, 0)
	before := outcomes(t, alice)
	token := must[*pb.AuthenticateResponse](t)(pb.NewAuthClient(alice).Authenticate(deadline(t),
		&pb.AuthenticateRequest{Name: "alice", Password: "alice-pw"})).Token
	from := m.Kind
	if ending == "kill" {
		m.Kill(t)
	} else {
		m.Stop(t)
	}
	m.Start(t, next)
	if after := must[string](t)(authAt(t)(m)); after != facts {
		t.Errorf("%s shows\n%s\nbefore %s showed\n%s", next, after, from, facts)
	}
	_, err := pb.NewKVClient(m.ConnAs(t, lab.Identity{Token: token})).Range(deadline(t), &pb.RangeRequest{Key: []byte("a1")})
	// Logins at the end of the log are applied once more, and their tokens are good again.
	if err != nil && !strings.Contains(err.Error(), "invalid auth token") {
		t.Errorf("a token from before: %v", err)
	}
	alice = m.ConnAs(t, login("alice"))
	for i, after := range outcomes(t, alice) {
		if after != before[i] {
			t.Errorf("alice attempts to %s: %s says %q, %s said %q", attempts()[i].what, next, after, from, before[i])
		}
	}
	for revision, hash := range state.hashes {
		r := must[*pb.HashKVResponse](t)(hashOf(t, m, revision))
		if r.Hash != hash {
			t.Errorf("HashKV at %d is %d, was %d", revision, r.Hash, hash)
		}
	}
}

// TestRecordedDirectoryWithAuth opens a directory that etcd has left with users and roles, and hands it back.
func TestRecordedDirectoryWithAuth(t *testing.T) {
	t.Parallel()
	m := lab.PrepareCluster(t, 1, "--bcrypt-cost=4").Members[0]
	unpack(t, "../testdata/auth37.tar.gz", m.Dir)
	m.As = lab.Identity{User: "root", Password: "root-pw"}
	for _, kind := range []lab.Kind{lab.Subject(t), lab.Etcd, lab.Subject(t)} {
		m.Start(t, kind)
		clearAlarms(t, m)
		const want = `enabled true revision 24
alice is [reader]
bob is [reader writer]
certonly is [reader]
root is [root]
reader may READ "k00" "k10"
reader may READ "single" ""
root may READWRITE "" "\x00"
writer may WRITE "k00" "k05"
writer may READWRITE "w/" "w0"
writer may WRITE "z" "\x00"`
		if got := must[string](t)(authAt(t)(m)); got != want {
			t.Errorf("%s shows\n%s\nwant\n%s", kind, got, want)
		}
		if r := must[*pb.HashKVResponse](t)(hashOf(t, m, 20)); r.Hash != 2101574802 {
			t.Errorf("%s: HashKV at 20 is %d", kind, r.Hash)
		}
		for _, c := range []struct {
			user, key string
			put       bool
			refusal   string
		}{
			{"alice", "k09", false, ""}, {"alice", "k10", false, "permission denied"}, {"alice", "k00", true, "permission denied"},
			{"bob", "k04", true, ""}, {"bob", "k05", true, "permission denied"}, {"bob", "w/x", true, ""}, {"bob", "zz", true, ""}, {"bob", "zz", false, "permission denied"},
			{"certonly", "k00", false, "user name is empty"}, // there is no way to log in with a password
		} {
			kv := pb.NewKVClient(m.ConnAs(t, lab.Identity{User: c.user, Password: c.user + "-pw"}))
			var err error
			if c.put {
				_, err = kv.Put(deadline(t), &pb.PutRequest{Key: []byte(c.key)})
			} else {
				_, err = kv.Range(deadline(t), &pb.RangeRequest{Key: []byte(c.key)})
			}
			if (err == nil) != (c.refusal == "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("%s: %+v ends with %v", kind, c, err)
			}
		}
		m.Stop(t)
	}
}

// unpack extracts the files of a data directory, which lie below one top folder.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f := must[*os.File](t)(os.Open(archive))
	defer f.Close()
	for files := tar.NewReader(must[*gzip.Reader](t)(gzip.NewReader(f))); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		check(t, err)
		_, below, ok := strings.Cut(header.Name, "member")
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		name := filepath.Join(dir, "member", filepath.Clean(below))
		check(t, os.MkdirAll(filepath.Dir(name), 0o700))
		check(t, os.WriteFile(name, must[[]byte](t)(io.ReadAll(files)), 0o600))
	}
}
