package roster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A .snap file carries the member list as the JSON image of etcd's old v2 store. Since 3.7 nobody boots from it, but
// older versions read it and their decoder wants the whole shape: the tree of nodes, the ring of past events with its
// full capacity, and the counters.

// EncodeImage writes the image of a member list at a cluster version, "" for none yet.
func EncodeImage(members []Member, removed []uint64, version string) []byte {
	s := newV2Image()
	for _, m := range members {
		dir := "/0/members/" + FormatID(m.ID)
		s.create(dir+"/raftAttributes", string(mustJSON(raftAttributes{m.PeerURLs, m.IsLearner})))
		if len(m.ClientURLs) > 0 {
			s.set(dir+"/attributes", string(mustJSON(attributes{m.Name, m.ClientURLs})))
		}
	}
	for _, id := range removed {
		s.create("/0/removed_members/"+FormatID(id), "")
	}
	if version != "" {
		s.Stats.GetsFail++ // etcd looks whether there is one before it sets it
		s.set("/0/version", version)
	}
	return mustJSON(s)
}

// Contents is what an image says about the cluster.
type Contents struct {
	Members []Member
	Removed []uint64
	Version string
}

// DecodeImage reads an image, of any version that wrote one.
func DecodeImage(image []byte) (Contents, error) {
	var s v2Image
	if err := json.Unmarshal(image, &s); err != nil {
		return Contents{}, fmt.Errorf("roster: v2 store image does not decode: %w", err)
	}
	var out Contents
	top := s.Root.child("0")
	if v := top.child("version"); v != nil {
		out.Version = v.Value
	}
	for hex, node := range top.child("members").children() {
		m, err := decodeV2Member(hex, node)
		if err != nil {
			return Contents{}, err
		}
		out.Members = append(out.Members, m)
	}
	Sort(out.Members)
	removed := map[uint64]bool{}
	for hex := range top.child("removed_members").children() {
		id, err := ParseID(hex)
		if err != nil {
			return Contents{}, fmt.Errorf("roster: v2 store image holds removed member %q: %w", hex, err)
		}
		removed[id] = true
	}
	out.Removed = slices.Sorted(maps.Keys(removed))
	return out, nil
}

func decodeV2Member(hex string, node *v2Node) (Member, error) {
	id, err := ParseID(hex)
	if err != nil {
		return Member{}, fmt.Errorf("roster: v2 store image holds member %q: %w", hex, err)
	}
	m := Member{ID: id}
	raft := node.child("raftAttributes")
	if raft == nil {
		return Member{}, fmt.Errorf("roster: v2 store image has no raftAttributes for member %s", hex)
	}
	for _, part := range []*v2Node{raft, node.child("attributes")} {
		if part == nil {
			continue
		}
		if err := json.Unmarshal([]byte(part.Value), &m); err != nil {
			return Member{}, fmt.Errorf("roster: v2 store image of member %s does not decode: %w", hex, err)
		}
	}
	m.ID = id
	return m, nil
}

type raftAttributes struct {
	PeerURLs  []string `json:"peerURLs"`
	IsLearner bool     `json:"isLearner,omitempty"`
}

type attributes struct {
	Name       string   `json:"name,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
}

// v2EventCapacity is the length of the ring of events; its decoder indexes into a slice of just this length.
const v2EventCapacity = 1000

type v2Image struct {
	Root           *v2Node
	WatcherHub     struct{ EventHistory v2History }
	CurrentIndex   uint64
	Stats          v2Stats
	CurrentVersion int
}

type v2Node struct {
	Path          string
	CreatedIndex  uint64
	ModifiedIndex uint64
	ExpireTime    time.Time
	Value         string
	Children      map[string]*v2Node
}

type v2History struct {
	Queue struct {
		Events   []*v2Event
		Size     int
		Front    int
		Back     int
		Capacity int
	}
	StartIndex uint64
	LastIndex  uint64
}

type v2Event struct {
	Action string      `json:"action"`
	Node   v2EventNode `json:"node"`
}

type v2EventNode struct {
	Key           string `json:"key"`
	Value         string `json:"value"`
	ModifiedIndex uint64 `json:"modifiedIndex"`
	CreatedIndex  uint64 `json:"createdIndex"`
}

type v2Stats struct {
	GetsSuccess             uint64 `json:"getsSuccess"`
	GetsFail                uint64 `json:"getsFail"`
	SetsSuccess             uint64 `json:"setsSuccess"`
	SetsFail                uint64 `json:"setsFail"`
	DeleteSuccess           uint64 `json:"deleteSuccess"`
	DeleteFail              uint64 `json:"deleteFail"`
	UpdateSuccess           uint64 `json:"updateSuccess"`
	UpdateFail              uint64 `json:"updateFail"`
	CreateSuccess           uint64 `json:"createSuccess"`
	CreateFail              uint64 `json:"createFail"`
	CompareAndSwapSuccess   uint64 `json:"compareAndSwapSuccess"`
	CompareAndSwapFail      uint64 `json:"compareAndSwapFail"`
	CompareAndDeleteSuccess uint64 `json:"compareAndDeleteSuccess"`
	CompareAndDeleteFail    uint64 `json:"compareAndDeleteFail"`
	ExpireCount             uint64 `json:"expireCount"`
	Watchers                uint64 `json:"watchers"`
}

func newV2Image() *v2Image {
	dir := func(path string) *v2Node { return &v2Node{Path: path, Children: map[string]*v2Node{}} }
	s := &v2Image{Root: dir("/"), CurrentVersion: 2}
	s.Root.Children["0"] = dir("/0")
	s.Root.Children["1"] = dir("/1")
	q := &s.WatcherHub.EventHistory.Queue
	q.Events, q.Capacity = make([]*v2Event, v2EventCapacity), v2EventCapacity
	return s
}

func (s *v2Image) create(path, value string) {
	s.Stats.CreateSuccess++
	s.add("create", path, value)
}

func (s *v2Image) set(path, value string) {
	s.Stats.SetsSuccess++
	s.add("set", path, value)
}

// add makes the node and the directories on its way, all with the next index, and notes the event.
func (s *v2Image) add(action, path, value string) {
	s.CurrentIndex++
	node, at := s.Root, ""
	parts := strings.Split(path[1:], "/")
	for i, name := range parts {
		at += "/" + name
		next := node.Children[name]
		if next == nil {
			next = &v2Node{Path: at, CreatedIndex: s.CurrentIndex, ModifiedIndex: s.CurrentIndex}
			if i < len(parts)-1 {
				next.Children = map[string]*v2Node{}
			}
			node.Children[name] = next
		}
		node = next
	}
	node.Value = value
	s.note(&v2Event{Action: action, Node: v2EventNode{path, value, s.CurrentIndex, s.CurrentIndex}})
}

func (s *v2Image) note(e *v2Event) {
	h := &s.WatcherHub.EventHistory
	q := &h.Queue
	if q.Size == q.Capacity {
		q.Front = (q.Front + 1) % q.Capacity
		q.Size--
	}
	q.Events[q.Back] = e
	q.Back = (q.Back + 1) % q.Capacity
	q.Size++
	h.StartIndex, h.LastIndex = q.Events[q.Front].Node.ModifiedIndex, s.CurrentIndex
}

func (n *v2Node) child(name string) *v2Node { return n.children()[name] }

func (n *v2Node) children() map[string]*v2Node {
	if n == nil {
		return nil
	}
	return n.Children
}
