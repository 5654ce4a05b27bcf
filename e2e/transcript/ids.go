package transcript

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
)

// ids are those of a cluster and of its only member, and the address under which it serves.
type ids struct {
	cluster, member uint64
	endpoint        string
	// name and peer are what a list of members shows of it, if a record has one.
	name, peer string
	// folder is where files are saved.
	folder string
	// leases are those that the records granted so far.
	leases []uint64
}

// capturedIDs returns those that a transcript was recorded with, from its first JSON output.
func capturedIDs(records []Record) (ids, error) {
	for _, r := range records {
		var out struct {
			Header struct {
				ClusterID uint64 `json:"cluster_id"`
				MemberID  uint64 `json:"member_id"`
			} `json:"header"`
		}
		if json.Unmarshal([]byte(r.Stdout), &out) == nil && out.Header.ClusterID != 0 {
			captured := ids{
				cluster: out.Header.ClusterID, member: out.Header.MemberID, endpoint: firstEndpoint(records), folder: capturedFolder,
			}
			captured.name, captured.peer = listed(records)
			return captured, nil
		}
	}
	return ids{}, fmt.Errorf("no record has a header in JSON, so the captured ids are unknown")
}

// memberLine matches the line of a list about the only member.
var memberLine = regexp.MustCompile(`(?m)^[0-9a-f]+, started, (\w+), http://([\w.:]+), http://[\w.:]+, false$`)

// listed returns the name and the peer address of the member in the first list.
func listed(records []Record) (name, peer string) {
	for _, r := range records {
		if m := memberLine.FindStringSubmatch(r.Stdout); m != nil {
			return m[1], m[2]
		}
	}
	return "", ""
}

func firstEndpoint(records []Record) string {
	for _, r := range records {
		if ep := r.endpoint(); ep != "" {
			return ep
		}
	}
	return ""
}

// serverIDs asks the server.
func serverIDs(ctx context.Context, members pb.ClusterClient, endpoint string) (ids, error) {
	list, err := members.MemberList(ctx, &pb.MemberListRequest{})
	if err != nil {
		return ids{}, fmt.Errorf("ask %s for its ids: %w", endpoint, err)
	}
	only := list.GetMembers()[0]
	return ids{
		cluster: list.GetHeader().GetClusterId(), member: list.GetHeader().GetMemberId(), endpoint: endpoint,
		name: only.GetName(), peer: strings.TrimPrefix(only.GetPeerURLs()[0], "http://"),
	}, nil
}

// translate replaces the captured ids and address in a text by those of the server.
func (from ids) translate(text string, to ids) string {
	decimal := func(n uint64) string { return strconv.FormatUint(n, 10) }
	hexadecimal := func(n uint64) string { return strconv.FormatUint(n, 16) }
	pairs := []string{
		decimal(from.cluster), decimal(to.cluster), decimal(from.member), decimal(to.member),
		hexadecimal(from.cluster), hexadecimal(to.cluster), hexadecimal(from.member), hexadecimal(to.member),
		from.endpoint, to.endpoint, from.folder, to.folder,
	}
	if from.name != "" {
		pairs = append(pairs, ", "+from.name+", http://"+from.peer, ", "+to.name+", http://"+to.peer)
	}
	for i := range min(len(from.leases), len(to.leases)) {
		pairs = append(pairs, places(from.leases[i], to.leases[i])...)
		pairs = append(pairs, decimal(from.leases[i]), decimal(to.leases[i]))
		padded := func(n uint64) string { return fmt.Sprintf("%016x", n) }
		pairs = append(pairs, padded(from.leases[i]), padded(to.leases[i]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// lines are the names of the locks and elections in the records.
var lines = []string{"lk", "el"}

// places pairs the keys of two leases in a line, as text and as JSON has them.
func places(from, to uint64) (pairs []string) {
	for _, name := range lines {
		place := func(lease uint64) string { return fmt.Sprintf("%s/%x", name, lease) }
		in64 := func(lease uint64) string { return base64.StdEncoding.EncodeToString([]byte(place(lease))) }
		pairs = append(pairs, place(from), place(to), in64(from), in64(to))
	}
	return pairs
}

// granted matches the id in the answer to `lease grant`: in hexadecimal, as JSON or as a field.
var granted = regexp.MustCompile(`^lease ([0-9a-f]{16}) granted|"ID":(\d+)|"ID" : (\d+)`)

// grant adds the lease of an answer to `lease grant`, and reports whether it tells the id.
func (known *ids) grant(stdout string) bool {
	m := granted.FindStringSubmatch(stdout)
	if m == nil {
		return false
	}
	text, base := m[2]+m[3], 10
	if m[1] != "" {
		text, base = m[1], 16
	}
	id, err := strconv.ParseUint(text, base, 64)
	if err != nil {
		return false
	}
	known.leases = append(known.leases, id)
	return true
}

// translateMessage does the same in encoded responses, of which the first field is the header, or in a header alone.
func (from ids) translateMessage(message string, to ids) (string, error) {
	b := []byte(message)
	number, kind, tag := protowire.ConsumeTag(b)
	if number == 1 && kind == protowire.VarintType {
		return translateHeader(b, to)
	}
	if tag < 0 || number != 1 {
		return "", fmt.Errorf("the captured message does not begin with a header")
	}
	var out []byte
	for len(b) > 0 {
		number, kind, tag := protowire.ConsumeTag(b)
		size := protowire.ConsumeFieldValue(number, kind, b[max(tag, 0):])
		if tag < 0 || size < 0 {
			return "", fmt.Errorf("the captured message is cut off")
		}
		field := b[:tag+size]
		if b = b[len(field):]; number != 1 {
			out = append(out, field...)
			continue
		}
		raw, _ := protowire.ConsumeBytes(field[tag:])
		header, err := translateHeader(raw, to)
		if err != nil {
			return "", err
		}
		out = protowire.AppendString(append(out, field[:tag]...), header)
	}
	return string(out), nil
}

// translateDetails does it where empty messages, of which there is only the header, stand each behind a line feed, below a line of
// text.
func (from ids) translateDetails(text string, to ids) (string, error) {
	head, rest, _ := strings.Cut(text, "\n")
	out := head + "\n"
	for rest != "" {
		if rest[0] != '\n' {
			return "", fmt.Errorf("a captured message has more than a header")
		}
		if out, rest = out+"\n", rest[1:]; rest == "" {
			break
		}
		_, _, size := protowire.ConsumeField([]byte(rest))
		if size < 0 {
			return "", fmt.Errorf("the captured message is cut off")
		}
		message, err := from.translateMessage(rest[:size], to)
		if err != nil {
			return "", err
		}
		out, rest = out+message, rest[size:]
	}
	return out, nil
}

func translateHeader(raw []byte, to ids) (string, error) {
	var header pb.ResponseHeader
	if err := header.UnmarshalVT(raw); err != nil {
		return "", fmt.Errorf("decode the header of the captured message: %w", err)
	}
	header.ClusterId, header.MemberId = to.cluster, to.member
	raw, err := header.MarshalVT()
	if err != nil {
		return "", fmt.Errorf("encode the header: %w", err)
	}
	return string(raw), nil
}
