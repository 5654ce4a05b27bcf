package peer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// client sends requests to other members. Streams have connections of their own: on theirs each read has a deadline,
// which the link heartbeats meet; on the others only writes have, since an answer may wait for raft or for a disk.
type client struct {
	*identity
	streams *RoundTripper
	posts   *RoundTripper
}

func newClient(id *identity, c Config) *client {
	return &client{
		identity: id,
		streams:  newRoundTripper(c, c.ReadTimeout),
		posts:    newRoundTripper(c, 0),
	}
}

// request builds a signed request for the member at base.
func (c *client) request(ctx context.Context, method string, base *url.URL, path string, body io.Reader) *http.Request {
	u := *base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		panic(fmt.Sprintf("peer: no request could be built for the checked URL %q: %v", u.String(), err))
	}
	c.sign(req.Header)
	return req
}

func (c *client) closeIdle() {
	c.streams.CloseIdleConnections()
	c.posts.CloseIdleConnections()
}

// refusal turns an answer that is not the wanted one into an error; it reads and closes the body.
func refusal(res *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxReplyBytes))
	res.Body.Close()
	return &refusedError{code: res.StatusCode, text: strings.TrimSpace(string(text))}
}

// refusedError is an answer other than success.
type refusedError struct {
	code int
	text string
}

func (e *refusedError) Error() string {
	if e.text == "" {
		return fmt.Sprintf("answered %d %s", e.code, http.StatusText(e.code))
	}
	return fmt.Sprintf("answered %d: %s", e.code, e.text)
}
