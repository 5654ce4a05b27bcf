package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"quoin.dev/server/membership"
)

// running is the membership that a running member told.
type running struct {
	clusterID uint64
	members   []membership.Member
}

// fetchMembers asks all URLs at once and returns the first answer that is accepted. When there are answers and none is, the
// error is that of the last refusal.
func (o Options) fetchMembers(ctx context.Context, peerURLs []string, accept func(running) error) (running, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the questions that are still open
	type answer struct {
		running
		from string
		err  error
	}
	answers := make(chan answer, len(peerURLs))
	for _, u := range peerURLs {
		go func() {
			r, err := o.fetchMembersOf(ctx, u)
			answers <- answer{r, u, err}
		}()
	}
	err := ErrNoAnswer
	for range peerURLs {
		a := <-answers
		if a.err != nil {
			o.log("could not get the member list", a.from, a.err)
			continue
		}
		if err = accept(a.running); err == nil {
			return a.running, nil
		}
	}
	return running{}, err
}

func (o Options) fetchMembersOf(ctx context.Context, peerURL string) (running, error) {
	body, header, err := o.get(ctx, peerURL, "/members")
	if err != nil {
		return running{}, err
	}
	var r running
	if r.clusterID, err = membership.ParseID(header.Get(membership.ClusterIDHeader)); err != nil {
		return running{}, fmt.Errorf("the answer carries no cluster id: %w", err)
	}
	if err := json.Unmarshal(body, &r.members); err != nil {
		return running{}, fmt.Errorf("the member list does not decode: %w", err)
	}
	seen := map[uint64]bool{}
	for _, m := range r.members {
		if m.ID == 0 || seen[m.ID] {
			return running{}, fmt.Errorf("the member list holds member %s twice or without an id", membership.FormatID(m.ID))
		}
		seen[m.ID] = true
	}
	if len(r.members) == 0 {
		return running{}, errors.New("the member list is empty")
	}
	return r, nil
}

// get returns the body of a successful answer, which may have at most maxBodyBytes.
func (o Options) get(ctx context.Context, base, path string) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := o.Client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("GET %s%s: status %s", base, path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBodyBytes+1))
	if err != nil {
		return nil, nil, err
	}
	if len(body) > maxBodyBytes {
		return nil, nil, fmt.Errorf("GET %s%s: more than %d bytes", base, path, maxBodyBytes)
	}
	return body, response.Header, nil
}

// checkCompatible asks every other member which version the cluster speaks. All that answer must tell one that this
// member speaks too, and at least one must answer. While the cluster is being downgraded to this member's version, it
// still speaks the next newer one.
func (o Options) checkCompatible(ctx context.Context, members []membership.Member, own uint64) error {
	local, err := membership.ParseMinor(o.Version)
	if err != nil {
		return fmt.Errorf("version %q of this member does not parse: %w", o.Version, err)
	}
	oldest, err := membership.ParseMinor(o.MinClusterVersion)
	if err != nil {
		return fmt.Errorf("minimum cluster version %q does not parse: %w", o.MinClusterVersion, err)
	}
	type answer struct {
		member  membership.Member
		version *membership.Minor
	}
	answers := make(chan answer, len(members))
	for _, m := range members {
		go func() {
			if m.ID == own {
				answers <- answer{m, nil}
				return
			}
			answers <- answer{m, o.clusterVersionOf(ctx, m)}
		}()
	}
	told := 0
	for range members {
		a := <-answers
		if a.version == nil {
			continue
		}
		told++
		if a.version.Compare(oldest) < 0 || a.version.Compare(local) > 0 {
			if local.Before(*a.version) && o.downgradeEnabled(ctx, members, own) {
				continue
			}
			return fmt.Errorf("%w: member %s says that the cluster speaks version %s, this member speaks %s to %s", ErrIncompatible,
				membership.FormatID(a.member.ID), a.version, oldest, local)
		}
	}
	if told == 0 {
		return fmt.Errorf("%w: no member told its version; start this member when the cluster is up", ErrIncompatible)
	}
	return nil
}

// clusterVersionOf returns the cluster version that a member tells, nil when it tells none.
func (o Options) clusterVersionOf(ctx context.Context, m membership.Member) *membership.Minor {
	for _, u := range m.PeerURLs {
		body, _, err := o.get(ctx, u, "/version")
		if err != nil {
			o.log("could not get the version", u, err)
			continue
		}
		var versions struct {
			Cluster string `json:"etcdcluster"`
		}
		if err := json.Unmarshal(body, &versions); err != nil {
			o.log("could not decode the version", u, err)
			continue
		}
		v, err := membership.ParseMinor(versions.Cluster)
		if err != nil {
			o.log("the cluster version is not decided yet", u, err)
			continue
		}
		return &v
	}
	return nil
}

// downgradeEnabled asks until a member tells whether a downgrade is under way.
func (o Options) downgradeEnabled(ctx context.Context, members []membership.Member, own uint64) bool {
	for _, m := range members {
		if m.ID == own {
			continue
		}
		for _, u := range m.PeerURLs {
			body, _, err := o.get(ctx, u, "/downgrade/enabled")
			if err != nil {
				o.log("could not ask about a downgrade", u, err)
				continue
			}
			return strings.TrimSpace(string(body)) == "true"
		}
	}
	return false
}
