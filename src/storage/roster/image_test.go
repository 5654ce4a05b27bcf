package roster

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
func TestImageIsThatOfEtcd(t *testing.T) {
	for _, tt := range []struct {
		file    string
		order   []string
		removed []uint64
	}{
		{"testdata/v2store.json", []string{"a558fd7c2926cc5b", "291a995fcfeb4df", "7490cc4d0898e1ae"}, nil},
		{"testdata/v2store_removed.json", []string{"8b27932643c601d", "b9363dcad9458dfd"}, []uint64{0x9c3afe76134fe123}},
	} {
		want := readFile(t, tt.file)
		contents, err := DecodeImage(want)
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
		if got := EncodeImage(members, contents.Removed, contents.Version); string(got) != string(want) {
			t.Errorf("%s:\ngot  %.3000s\nwant %.3000s", tt.file, got, want)
		}
	}
}

func TestImageRoundTrip(t *testing.T) {
	want := Contents{
		Members: []Member{
			{ID: 1, PeerURLs: []string{"http://1"}, Name: "one", ClientURLs: []string{"http://c1"}},
			{ID: 2, PeerURLs: []string{"http://2", "http://22"}},
			{ID: 3, PeerURLs: []string{"http://3"}, IsLearner: true},
		},
		Removed: []uint64{4},
		Version: "3.7.0",
	}
	got, err := DecodeImage(EncodeImage(want.Members, want.Removed, want.Version))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A cluster with a long history has more nodes than the ring has places.
func TestImageWithManyRemovedMembers(t *testing.T) {
	var removed []uint64
	for id := range uint64(1500) {
		removed = append(removed, id+1)
	}
	image := EncodeImage([]Member{{ID: 9999, PeerURLs: []string{"http://1"}}}, removed, "3.7.0")
	var s v2Image
	if err := json.Unmarshal(image, &s); err != nil {
		t.Fatal(err)
	}
	h := s.WatcherHub.EventHistory
	if len(h.Queue.Events) != 1000 || h.Queue.Size != 1000 || h.StartIndex != 503 || h.LastIndex != 1502 || h.Queue.Front != h.Queue.Back {
		t.Errorf("ring: %d events, size %d, %d to %d", len(h.Queue.Events), h.Queue.Size, h.StartIndex, h.LastIndex)
	}
	contents, err := DecodeImage(image)
	if err != nil || len(contents.Removed) != 1500 {
		t.Errorf("%d removed, %v", len(contents.Removed), err)
	}
}

func TestDecodeImageRefusesDamage(t *testing.T) {
	for image, want := range map[string]string{
		"x": "does not decode",
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"zz":{}}}}}}}}`:                                           `member "zz"`,
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{}}}}}}}}`:                                            "no raftAttributes",
		`{"Root":{"Children":{"0":{"Children":{"members":{"Children":{"1":{"Children":{"raftAttributes":{"Value":"x"}}}}}}}}}}`: "does not decode",
		`{"Root":{"Children":{"0":{"Children":{"removed_members":{"Children":{"zz":{}}}}}}}}`:                                   `removed member "zz"`,
	} {
		if _, err := DecodeImage([]byte(image)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", image, err, want)
		}
	}
	if got, err := DecodeImage([]byte(`{}`)); err != nil || got.Members != nil {
		t.Errorf("an empty image: %v, %v", got, err)
	}
}

// FuzzImage: no bytes make the decoder panic, and what it finds is found again in the image that is made of it.
func FuzzImage(f *testing.F) {
	for _, name := range []string{"testdata/v2store.json", "testdata/v2store_removed.json"} {
		image, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Add(EncodeImage(nil, nil, ""))
	f.Fuzz(func(t *testing.T, image []byte) {
		c, err := DecodeImage(image)
		if err != nil {
			return
		}
		again, err := DecodeImage(EncodeImage(c.Members, c.Removed, c.Version))
		if err != nil || len(again.Members) != len(c.Members) || len(again.Removed) != len(c.Removed) || again.Version != c.Version {
			t.Fatalf("%+v became %+v (%v)", c, again, err)
		}
	})
}
