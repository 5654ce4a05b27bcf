package transcript

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"quoin.dev/client"
)

// player is a member of a cluster. Its name is the one in canonical texts.
type player struct {
	id           uint64
	name         string
	called       string // in its cluster
	client, peer string // host:port
}

// cast is a cluster with its members.
type cast struct {
	cluster uint64
	players []player
}

// roles are the canonical names of the members in the order of their endpoints.
var roles = []string{"one", "two", "three"}

// added matches the sentence about a new member.
var added = regexp.MustCompile(`^Member +([0-9a-f]+) added `)

func parseID(hexadecimal string) uint64 {
	id, _ := strconv.ParseUint(hexadecimal, 16, 64) // matched by added
	return id
}

// player returns the one with the name.
func (c *cast) player(name string) player {
	i := slices.IndexFunc(c.players, func(p player) bool { return p.name == name })
	if i < 0 {
		panic(fmt.Sprintf("transcript: the cluster has no member %s", name))
	}
	return c.players[i]
}

// capturedCast finds the members in the first list of them, or in the first header with the first endpoint.
func capturedCast(records []Record) cast {
	for _, r := range records {
		var out struct {
			Header struct {
				Cluster uint64 `json:"cluster_id"`
				Member  uint64 `json:"member_id"`
			}
			Members []struct {
				ID                   uint64
				Name                 string
				PeerURLs, ClientURLs []string
			}
		}
		if json.Unmarshal([]byte(r.Stdout), &out) != nil || out.Header.Cluster == 0 {
			continue
		}
		c := cast{cluster: out.Header.Cluster}
		for _, m := range out.Members {
			c.players = append(c.players, player{id: m.ID, called: m.Name, client: host(m.ClientURLs[0]), peer: host(m.PeerURLs[0])})
		}
		if len(c.players) == 0 {
			c.players = []player{{id: out.Header.Member, client: firstEndpoint(records)}}
		}
		slices.SortFunc(c.players, func(a, b player) int { return strings.Compare(a.client, b.client) })
		c.name()
		return c
	}
	// NoQuorum has no header: it goes on with the cluster of Cluster.
	before, err := Load(Cluster)
	if err != nil {
		panic(err) // it is embedded
	}
	return capturedCast(before)
}

func (c *cast) name() {
	for i := range c.players {
		c.players[i].name = roles[i]
	}
}

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}

// servingCast asks the server, which needs no quorum for it.
func servingCast(ctx context.Context, c *client.Client, endpoints []string) (cast, error) {
	list, err := c.MemberList(ctx, client.WithSerializable())
	if err != nil {
		return cast{}, fmt.Errorf("ask for the members: %w", err)
	}
	out := cast{cluster: list.Header.ClusterId}
	for _, ep := range endpoints {
		for _, m := range list.Members {
			if len(m.ClientURLs) > 0 && host(m.ClientURLs[0]) == ep {
				out.players = append(out.players, player{id: m.ID, called: m.Name, client: ep, peer: host(m.PeerURLs[0])})
			}
		}
	}
	if len(out.players) != len(endpoints) {
		return cast{}, fmt.Errorf("the members do not advertise %v", endpoints)
	}
	out.name()
	return out, nil
}

// recast replaces what an argument says of the members by what it is at the server.
func (c *cast) recast(arg string, to *cast) string {
	var pairs []string
	for i, p := range c.players {
		q := to.players[i]
		if arg == capturedGuest.called && p.called == arg {
			return q.called
		}
		if p.id != 0 { // the guest has none before it is added
			pairs = append(pairs, fmt.Sprintf("%x", p.id), fmt.Sprintf("%x", q.id))
		}
		if p.client != "" {
			pairs = append(pairs, p.client, q.client)
		}
		if p.peer != "" {
			pairs = append(pairs, p.peer, q.peer)
		}
	}
	return strings.NewReplacer(pairs...).Replace(arg)
}

// canonical names the members in an output, replaces what is measured, and brings lines and lists, whose order is that of the
// ids or of the answers, into another order.
func (c *cast) canonical(text string) string {
	text = inOrder(c.rename(text))
	for _, m := range measured {
		text = m.pattern.ReplaceAllString(text, m.with)
	}
	return strings.Join(slices.Sorted(strings.Lines(text)), "")
}

func (c *cast) rename(text string) string {
	pairs := []string{fmt.Sprint(c.cluster), "CLUSTER", fmt.Sprintf("%x", c.cluster), "CLUSTER-IN-HEX"}
	for _, p := range c.players {
		if p.id != 0 {
			pairs = append(pairs, fmt.Sprint(p.id), "ID-OF-"+p.name, fmt.Sprintf("%x", p.id), "HEX-OF-"+p.name)
		}
		for address, what := range map[string]string{p.client: "CLIENT-OF-", p.peer: "PEER-OF-"} {
			if address != "" {
				pairs = append(pairs, address, what+p.name)
			}
		}
		if p.called != "" {
			for _, form := range []string{`"%s"`, `, %s,`, `%s=http`, `│   %s │`} {
				pairs = append(pairs, fmt.Sprintf(form, p.called), fmt.Sprintf(form, p.name))
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// measured matches what depends on the member that answers, on time and on how the server stores data.
var measured = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`"member_id":"?[\w-]+"?`), `"member_id":N`},
	{regexp.MustCompile(`"MemberID" : ID-OF-\w+`), `"MemberID" : N`},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`), "TIME"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?) ([kM]?B), (\d+(\.\d+)?) ([kM]?B), \d+%`), "SIZE, SIZE, PERCENT"},
	{regexp.MustCompile(`│ +(\d+(\.\d+)?) ([kM]?B) │ +(\d+(\.\d+)?) ([kM]?B) │ +\d+%`), "│ SIZE │ SIZE │ PERCENT"},
	{regexp.MustCompile(`(true|false), (true|false), \d+, \d+, \d+`), "$1, $2, TERM, INDEX, INDEX"},
	{regexp.MustCompile(`(true|false) │ +(true|false) │ +\d+ │ +\d+ │ +\d+`), "$1 │ $2 │ TERM │ INDEX │ INDEX"},
	{regexp.MustCompile(`"(RaftTerm|RaftIndex|RaftAppliedIndex|DBSize|DBSizeInUse)" : \d+`), `"$1" : N`},
	{regexp.MustCompile(`"(raft_term|raftTerm|raftIndex|raftAppliedIndex|dbSize|dbSizeInUse)":\d+`), `"$1":N`},
	// The id of a new member is made of its URLs and the second, so that a member that is there already has it or not.
	{regexp.MustCompile(`member ID already exist|Peer URLs already exists`), "the member exists"},
	{regexp.MustCompile(`─+`), "─"}, // columns are as wide as what was replaced
	{regexp.MustCompile(` {2,}`), " "},
}
