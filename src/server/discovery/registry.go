package discovery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/client"
	"quoin.dev/pkg/clusterurl"

	"quoin.dev/server/membership"
)

// Why a member can not found a cluster through a registry. They are wrapped with what to do about it.
var (
	ErrSizeNotFound = errors.New("discovery: size key not found")
	ErrBadSize      = errors.New("discovery: size key is bad")
	ErrFull         = errors.New("discovery: cluster is full")
	// ErrTaken: another member reported with the same name, or with the same peer URLs.
	ErrTaken = errors.New("discovery: another member reported like this one")
)

// Registry is another cluster at which the founders report. They do so at
//
//	/_etcd/registry/TOKEN/_config/size       how many members the cluster will have, written by its operator
//	/_etcd/registry/TOKEN/members/ID         "name=URL,name=URL" of the member with this id (hexadecimal)
//
// and those that reported first found the cluster.
type Registry struct {
	Token string
	// RequestTimeout bounds one question.
	RequestTimeout time.Duration
	// RetryPause is the pause after the first question that failed; it doubles up to retryPauseMax. 0 is one second.
	RetryPause time.Duration
	Client     *client.Client
	Logger     *zap.Logger // nil drops it
}

const retryPauseMax = time.Minute

func (r Registry) sizeKey() string           { return "/_etcd/registry/" + r.Token + "/_config/size" }
func (r Registry) membersKey() string        { return "/_etcd/registry/" + r.Token + "/members/" }
func (r Registry) memberKey(s string) string { return r.membersKey() + s }

// Founders reports this member and waits until all founders have, for as long as ctx lets it; then it returns them in the form
// of --initial-cluster. A registry that does not answer is asked again. Errors: the four above, that of ctx, and what the
// registry refuses.
func (r Registry) Founders(ctx context.Context, self Self) (string, error) {
	size, err := retry(ctx, r, "the size of the cluster", r.size)
	if err != nil {
		return "", err
	}
	id := membership.FormatID(membership.FoundingID(self.PeerURLs, r.Token))
	present, err := retry(ctx, r, "the members that have reported", r.members)
	if err != nil {
		return "", err
	}
	if err := present.admits(id, size); err != nil {
		return "", r.explain(err)
	}
	if _, err := retry(ctx, r, "reporting this member", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.report(ctx, id, self)
	}); err != nil {
		return "", err
	}
	return r.await(ctx, id, size)
}

// await returns the founders once all have reported.
func (r Registry) await(ctx context.Context, id string, size int) (string, error) {
	for {
		present, err := retry(ctx, r, "the members that have reported", r.members)
		if err != nil {
			return "", err
		}
		if err := present.admits(id, size); err != nil {
			return "", r.explain(err)
		}
		if len(present.reports) >= size {
			return r.founders(present.reports[:size])
		}
		logger(r.Logger).Info("waiting for peers from discovery service", zap.String("discovery-token", r.Token),
			zap.Int("cluster-size", size), zap.Int("found-peers", len(present.reports)))
		if err := r.change(ctx, present.revision); err != nil {
			return "", err
		}
	}
}

// size reads how many members the cluster will have.
func (r Registry) size(ctx context.Context) (int, error) {
	response, err := r.Client.Get(ctx, r.sizeKey())
	if err != nil {
		return 0, err
	}
	if len(response.Kvs) == 0 {
		return 0, fmt.Errorf("%w: put the number of members at %s", ErrSizeNotFound, r.sizeKey())
	}
	size, err := strconv.Atoi(string(response.Kvs[0].Value))
	if err != nil || size <= 0 {
		return 0, fmt.Errorf("%w: %s has %q, expected a number of members", ErrBadSize, r.sizeKey(), response.Kvs[0].Value)
	}
	return size, nil
}

// report is what one member wrote; the name is the one in the text.
type report struct{ id, name, text string }

// reported are the members in the order in which they came, as of a revision.
type reported struct {
	reports  []report
	revision int64
}

// members lists who has reported. What is no member does not count.
func (r Registry) members(ctx context.Context) (reported, error) {
	response, err := r.Client.Get(ctx, r.membersKey(), client.WithPrefix(), client.WithSort(client.SortByCreateRevision, client.SortAscend))
	if err != nil {
		return reported{}, err
	}
	list := reported{revision: response.Header.Revision}
	for _, kv := range response.Kvs {
		if one, ok := r.reportOf(kv.Key, kv.Value); ok {
			list.reports = append(list.reports, one)
		}
	}
	return list, nil
}

// reportOf reads what stands at a key.
func (r Registry) reportOf(key, text []byte) (report, bool) {
	founder, err := clusterurl.ParseFounders(string(text))
	if err != nil || len(founder) != 1 {
		logger(r.Logger).Warn("invalid peer info returned from discovery service", zap.ByteString("member-key", key), zap.ByteString("member-info", text))
		return report{}, false
	}
	return report{strings.TrimPrefix(string(key), r.membersKey()), founder.Names()[0], string(text)}, true
}

// admits tells whether a member is, or can still become, one of the first.
func (l reported) admits(id string, size int) error {
	for i, one := range l.reports {
		if i >= size {
			return ErrFull
		}
		if one.id == id {
			return nil
		}
	}
	if len(l.reports) >= size {
		return ErrFull
	}
	return nil
}

// report writes this member, unless it has reported already. Another one that reported with the same URLs, as happens when
// both advertise localhost, is not overwritten.
func (r Registry) report(ctx context.Context, id string, self Self) error {
	key, text := r.memberKey(id), self.Name+"="+strings.Join(self.PeerURLs, ","+self.Name+"=")
	response, err := r.Client.Txn(ctx).
		If(client.Compare(client.CreateRevision(key), "=", 0)).
		Then(client.OpPut(key, text)).
		Else(client.OpGet(key)).
		Commit()
	if err != nil {
		return err
	}
	if response.Succeeded {
		logger(r.Logger).Info("reported this member to the discovery service", zap.String("member-key", key), zap.String("member-info", text))
		return nil
	}
	if kvs := response.Responses[0].GetResponseRange().GetKvs(); len(kvs) > 0 && string(kvs[0].Value) != text {
		return fmt.Errorf("%w: %s has %q, this member is %q; give each member --initial-advertise-peer-urls of its own, "+
			"or take a new token if the member has another name now", ErrTaken, key, kvs[0].Value, text)
	}
	return nil
}

// founders joins the reports, which must be those of different members.
func (r Registry) founders(first []report) (string, error) {
	names := map[string]bool{}
	texts := make([]string, len(first))
	for i, one := range first {
		texts[i] = one.text
		if names[one.name] {
			return "", fmt.Errorf("%w: two of them have the name %q; give each member a --name of its own, and take a new token", ErrTaken, one.name)
		}
		names[one.name] = true
	}
	return strings.Join(texts, ","), nil
}

func (r Registry) explain(err error) error {
	return fmt.Errorf("%w: all members that %s asks for have reported; do not reuse a discovery token, but generate a new one for each "+
		"cluster, or add this member to the running cluster", err, r.sizeKey())
}

// change returns when something was written after a revision, or may have been.
func (r Registry) change(ctx context.Context, after int64) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := r.Client.Watch(watching, r.membersKey(), client.WithPrefix(), client.WithRev(after+1))
	select {
	case change, ok := <-changes:
		if ok && change.Err() == nil {
			return nil
		}
	case <-ctx.Done():
		return ctx.Err()
	}
	return pause(ctx, r.firstPause()) // the watch broke: look again, though not at once
}

func (r Registry) firstPause() time.Duration {
	if r.RetryPause == 0 {
		return time.Second
	}
	return r.RetryPause
}

// retry asks until there is an answer, or an error that another attempt would not change.
func retry[T any](ctx context.Context, r Registry, what string, ask func(context.Context) (T, error)) (T, error) {
	wait := r.firstPause()
	for {
		once, cancel := context.WithTimeout(ctx, r.RequestTimeout)
		answer, err := ask(once)
		cancel()
		if err == nil || !passes(err) || ctx.Err() != nil {
			return answer, err
		}
		logger(r.Logger).Warn("retry connecting to discovery service", zap.String("question", what), zap.Duration("backoff", wait), zap.Error(err))
		if err := pause(ctx, wait); err != nil {
			return answer, err
		}
		wait = min(2*wait, retryPauseMax)
	}
}

// passes tells whether an error is one of the moment.
func passes(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted:
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
