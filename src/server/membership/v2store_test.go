package membership

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// etcd writes the members in the random order of a map. With that order, the image is the same to the byte.
func TestV2StoreIsThatOfEtcd(t *testing.T) {
	for _, tt := range []struct {
		file    string
		order   []string
		removed []uint64
	}{
		{"testdata/v2store.json", []string{"a558fd7c2926cc5b", "291a995fcfeb4df", "7490cc4d0898e1ae"}, nil},
		{"testdata/v2store_removed.json", []string{"8b27932643c601d", "b9363dcad9458dfd"}, []uint64{0x9c3afe76134fe123}},
	} {
		want := readFile(t, tt.file)
		contents, err := DecodeV2Store(want)
		if err != nil {
			t.Fatal(err)
		}
		if contents.Version != "3.7.0" || len(contents.Members) != len(tt.order) || !reflect.DeepEqual(contents.Removed, tt.removed) {
			t.Errorf("%s: decoded %+v", tt.file, contents)
		}
		var members []Member
		for _, hex := range tt.order {
			for _, m := range contents.Members {
				if FormatID(m.ID) == hex {
					members = append(members, m)
				}
			}
		}
		if got := encodeV2Store(members, contents.Removed, contents.Version); string(got) != string(want) {
			t.Errorf("%s:\ngot  %.3000s\nwant %.3000s", tt.file, got, want)
		}
	}
}

func TestV2StoreRoundTrip(t *testing.T) {
	c := New(discard{}, Options{MaxLearners: 1})
	for _, m := range []Member{
		{ID: 2, PeerURLs: []string{"http://2", "http://22"}},
		{ID: 1, PeerURLs: []string{"http://1"}},
		{ID: 3, PeerURLs: []string{"http://3"}, IsLearner: true},
		{ID: 4, PeerURLs: []string{"http://4"}},
	} {
		if _, err := c.Apply(AddChange(m)); err != nil {
			t.Fatal(err)
		}
	}
	c.SetAttributes(1, "one", []string{"http://c1"})
	if _, err := c.Apply(RemoveChange(4)); err != nil {
		t.Fatal(err)
	}
	c.SetVersion("3.7.0")
	got, err := DecodeV2Store(c.EncodeV2Store())
	if err != nil {
		t.Fatal(err)
	}
	if want := (V2Contents{c.Members(), []uint64{4}, "3.7.0"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A cluster with a long history has more nodes than the ring has places.
func TestV2StoreWithManyRemovedMembers(t *testing.T) {
	var removed []uint64
	for id := range uint64(1500) {
		removed = append(removed, id+1)
	}
	image := encodeV2Store([]Member{{ID: 9999, PeerURLs: []string{"http://1"}}}, removed, "3.7.0")
	var s v2Image
	if err := json.Unmarshal(image, &s); err != nil {
		t.Fatal(err)
	}
	h := s.WatcherHub.EventHistory
	if len(h.Queue.Events) != 1000 || h.Queue.Size != 1000 || h.StartIndex != 503 || h.LastIndex != 1502 || h.Queue.Front != h.Queue.Back {
		t.Errorf("ring: %d events, size %d, %d to %d", len(h.Queue.Events), h.Queue.Size, h.StartIndex, h.LastIndex)
	}
	contents, err := DecodeV2Store(image)
	if err != nil || len(contents.Removed) != 1500 {
		t.Errorf("%d removed, %v", len(contents.Removed), err)
	}
}

func TestDecodeV2StoreRefusesDamage(t *testing.T) {
	for image, want := range map[string]string{
		"x": "does not decode",
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"zz":{}}}}}}}}`:                                           `member "zz"`,
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{}}}}}}}}`:                                            "no raftAttributes",
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{"Children":{"raftAttributes":{"Value":"x"}}}}}}}}}}`: "does not decode",
		`{"Root":{"Children":{"0":{"Children":{"removed_members":{"Children":{"zz":{}}}}}}}}`:                                   `removed member "zz"`,
	} {
		if _, err := DecodeV2Store([]byte(image)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", image, err, want)
		}
	}
	if got, err := DecodeV2Store([]byte(`{}`)); err != nil || got.Members != nil {
		t.Errorf("an empty image: %v, %v", got, err)
	}
}
