package probe

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	pb "quoin.dev/api/etcdserverpb"
)

// serveHealth answers in one JSON object whether a member serves clients: no alarm is raised that the request does not exclude,
// there is a leader, a read comes back, and nothing is known that speaks against it. With serializable=true the member alone is
// asked. It tells the first reason why not.
func (c *checks) serveHealth(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	query := r.URL.Query()
	body := struct {
		Health string `json:"health"`
		Reason string `json:"reason"`
	}{Health: "true"}
	if body.Reason = c.unhealthy(ctx, query["exclude"], query.Get("serializable") == "true"); body.Reason != "" {
		body.Health = "false"
	}
	c.observer.Health(body.Reason == "")
	text, err := json.Marshal(body)
	if err != nil || body.Reason != "" {
		http.Error(w, string(text), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(text)
}

func (c *checks) unhealthy(ctx context.Context, excluded []string, alone bool) (reason string) {
	asked := []*check{c.alarms, c.leader, c.latest, c.known}
	if alone {
		asked = []*check{c.alarms, c.local}
	}
	for i, err := range runAll(ctx, asked) {
		if reason := c.explain(asked[i], err, excluded); reason != "" {
			return reason
		}
	}
	return ""
}

// explain puts the error of a check in the words of etcd; empty if all is well.
func (c *checks) explain(of *check, err error, excluded []string) string {
	var raised alarmsRaised
	switch {
	case err == nil:
		return ""
	case errors.As(err, &raised):
		i := slices.IndexFunc(raised, func(a *pb.AlarmMember) bool { return !slices.Contains(excluded, a.Alarm.String()) })
		if i < 0 {
			return ""
		}
		return "ALARM " + raised[i].Alarm.String()
	case of == c.leader && err == errNoLeader:
		return "RAFT NO LEADER"
	case of == c.known:
		return "MEMBER ERROR:" + err.Error()
	case err == errTimeout:
		err = context.DeadlineExceeded
	}
	return "RANGE ERROR:" + err.Error()
}
