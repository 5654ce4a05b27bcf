package auth

import (
	"context"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"

	"quoin.dev/api/authpb"
	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/storage/backend"
)

// book is a provider of tokens that writes down what it was told.
type book struct{ told []string }

func (b *book) Secret() (string, error) { return "secret", nil }

func (b *book) Assign(user string, revision uint64, secret string, index uint64) (string, error) {
	return fmt.Sprintf("%s at %d: %s.%d", user, revision, secret, index), nil
}

func (b *book) Lookup(context.Context, string, uint64) (Identity, bool) { return Identity{}, false }
func (b *book) Enable()                                                 { b.told = append(b.told, "enable") }
func (b *book) Disable()                                                { b.told = append(b.told, "disable") }
func (b *book) Forget(user string)                                      { b.told = append(b.told, "forget "+user) }
func (b *book) Close()                                                  {}

// stored is a Store over a database file.
type stored struct {
	*Store
	book  *book
	b     *backend.Backend
	index uint64
}

func open(t *testing.T, path string) *stored {
	t.Helper()
	b, err := backend.Open(backend.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s := &stored{book: new(book), b: b}
	s.Store = New(s.book)
	t.Cleanup(s.close)
	s.load(t)
	s.index, _ = b.Applied()
	return s
}

func (s *stored) load(t *testing.T) {
	t.Helper()
	view := s.b.View()
	defer view.Close()
	if err := s.Load(view, s.b); err != nil {
		t.Fatal(err)
	}
}

// close stops the store; the second call does nothing.
func (s *stored) close() {
	if s.b != nil {
		_ = s.b.Close()
		s.b = nil
	}
}

func (s *stored) commit() {
	s.index++
	s.b.Commit(backend.Applied{Index: s.index, Term: 1})
}

func fresh(t *testing.T) *stored { return open(t, filepath.Join(t.TempDir(), "db")) }

// must is for changes that are meant to be made.
func (s *stored) must(t *testing.T, errs ...error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
	}
	s.commit()
}

func newUserRequest(name string) *pb.AuthUserAddRequest {
	return &pb.AuthUserAddRequest{Name: name, HashedPassword: base64.StdEncoding.EncodeToString([]byte("hash of " + name))}
}

func permission(kind authpb.Permission_Type, key, end string) *authpb.Permission {
	return &authpb.Permission{PermType: kind, Key: []byte(key), RangeEnd: []byte(end)}
}

// withRoot adds the user root, who has the role.
func (s *stored) withRoot(t *testing.T) {
	t.Helper()
	s.must(t, s.AddUser(newUserRequest(Root)), s.GrantRole(Root, Root))
}
