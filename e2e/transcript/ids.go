package transcript

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	pb "quoin.dev/api/etcdserverpb"
)

// ids are those of a cluster and of its only member, and the address under which it serves.
type ids struct {
	cluster, member uint64
	endpoint        string
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
			return ids{out.Header.ClusterID, out.Header.MemberID, firstEndpoint(records)}, nil
		}
	}
	return ids{}, fmt.Errorf("no record has a header in JSON, so the captured ids are unknown")
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
	return ids{list.GetHeader().GetClusterId(), list.GetHeader().GetMemberId(), endpoint}, nil
}

// translate replaces the captured ids and address in a text by those of the server.
func (from ids) translate(text string, to ids) string {
	decimal := func(n uint64) string { return strconv.FormatUint(n, 10) }
	hexadecimal := func(n uint64) string { return strconv.FormatUint(n, 16) }
	return strings.NewReplacer(
		decimal(from.cluster), decimal(to.cluster), decimal(from.member), decimal(to.member),
		hexadecimal(from.cluster), hexadecimal(to.cluster), hexadecimal(from.member), hexadecimal(to.member),
		from.endpoint, to.endpoint,
	).Replace(text)
}

// translateMessage does the same in an encoded response, whose first field is the header.
func (from ids) translateMessage(message string, to ids) (string, error) {
	b := []byte(message)
	number, _, tag := protowire.ConsumeTag(b)
	if tag < 0 || number != 1 {
		return "", fmt.Errorf("the captured message does not begin with a header")
	}
	raw, size := protowire.ConsumeBytes(b[tag:])
	if size < 0 {
		return "", fmt.Errorf("the header of the captured message is cut off")
	}
	var header pb.ResponseHeader
	if err := header.UnmarshalVT(raw); err != nil {
		return "", fmt.Errorf("decode the header of the captured message: %w", err)
	}
	header.ClusterId, header.MemberId = to.cluster, to.member
	raw, err := header.MarshalVT()
	if err != nil {
		return "", fmt.Errorf("encode the header: %w", err)
	}
	out := protowire.AppendBytes(append([]byte(nil), b[:tag]...), raw)
	return string(append(out, b[tag+size:]...)), nil
}
