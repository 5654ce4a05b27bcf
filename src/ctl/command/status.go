package command

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"quoin.dev/api/rpctypes"
	"quoin.dev/client"
	"quoin.dev/ctl/diagnosis"
)

func (a *app) clusterStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		GroupID: groupMaintenance,
		Short:   "Tells whether the cluster is healthy, and how many members may fail",
		Long: "Asks all members, those of --endpoints and those that these know, and begins with a verdict:\n\n" +
			"  healthy      everything is as it should be\n" +
			"  degraded     all requests are served, and something needs care\n" +
			"  at risk      all requests are served until the next member fails\n" +
			"  unavailable  changes are refused, or nothing is served\n\n" +
			"Then come the reasons, and a line for each member; lag is how many entries of the log it is behind the leader, latency\n" +
			"how long it took to answer. A member that is down does not delay the others: each has --command-timeout to answer.\n" +
			"The exit code is 0 if the cluster is healthy, 1 if it is degraded or at risk, 2 if it is unavailable or not to be\n" +
			"judged.",
		Example: examples(a.Name,
			"status",
			"status --endpoints=10.0.0.1:2379 --command-timeout=1s",
			"status --write-out=yaml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			verdict, err := a.clusterStatus(cmd, args)
			if err != nil {
				return withCode(trouble, err)
			}
			switch verdict {
			case diagnosis.Healthy:
				return nil
			case diagnosis.Unavailable:
				return exit(trouble, nil)
			default:
				return exit(failure, nil)
			}
		},
	}
}

func (a *app) clusterStatus(cmd *cobra.Command, args []string) (diagnosis.Verdict, error) {
	if len(args) > 0 {
		return 0, errors.New("status takes no arguments; --endpoints says where to begin")
	}
	out, err := a.setup(cmd, false)
	if err != nil {
		return 0, err
	}
	cfg, err := a.clientConfig()
	if err != nil {
		return 0, err
	}
	// What can not be reached is to be told at once, and not to be tried until the time is over.
	cfg.MaxUnaryRetries = 1
	cfg.DialOptions = append(cfg.DialOptions, grpc.WithDefaultCallOptions(grpc.WaitForReady(false)))
	e := &examination{app: a, cfg: cfg}
	facts, err := e.facts()
	if err != nil {
		return 0, err
	}
	report := diagnosis.Judge(facts)
	return report.Verdict, printed(out.Report(report))
}

// examination asks the members of a cluster.
type examination struct {
	app *app
	cfg client.Config
}

// said is what one endpoint said.
type said struct {
	endpoint string
	status   *client.StatusResponse
	took     time.Duration
	list     *client.MemberListResponse // nil if it was not told
	err      error
	login    bool // what it was asked for is a token
}

// facts asks the endpoints first, and then the members that nobody has answered for.
func (e *examination) facts() (f diagnosis.Facts, err error) {
	if e.cfg.Username != "" {
		if refusals := e.login(); len(refusals) > 0 {
			return withoutList(refusals)
		}
	}
	answers := e.ask(e.cfg.Endpoints)
	list, err := newestList(answers)
	if err != nil {
		return f, err
	}
	if list == nil {
		return withoutList(answers)
	}
	var unasked []string
	for _, m := range list.Members {
		if at(answers, m) == nil {
			unasked = append(unasked, m.ClientURLs...)
		}
	}
	answers = append(answers, e.ask(unasked)...)
	var reached []string
	for _, m := range list.Members {
		found := diagnosis.Member{Listed: m, Endpoint: strings.Join(m.ClientURLs, ","), Trouble: "it has told no address"}
		if ans := at(answers, m); ans != nil {
			found.Endpoint, found.Status, found.Took = ans.endpoint, ans.status, ans.took
			if ans.status != nil {
				reached = append(reached, ans.endpoint)
			} else {
				found.Trouble = explainTransport(ans.err)
			}
		}
		f.Members = append(f.Members, found)
	}
	slices.SortStableFunc(f.Members, func(a, b diagnosis.Member) int { return strings.Compare(a.Listed.Name, b.Listed.Name) })
	e.quorum(reached, &f)
	return f, nil
}

// login exchanges the password for one token for all members: learners give none, and a password takes long to check. If nobody
// gives one, it returns what each endpoint said.
func (e *examination) login() (refusals []said) {
	name, password := e.cfg.Username, e.cfg.Password
	e.cfg.Username, e.cfg.Password = "", ""
	for _, endpoint := range e.cfg.Endpoints {
		token, err := e.tokenOf(endpoint, name, password)
		if err == nil || rpctypes.Error(err) == rpctypes.ErrAuthNotEnabled {
			e.cfg.Token = token
			return nil
		}
		refusals = append(refusals, said{endpoint: endpoint, err: err, login: true})
		if isRefusal(err) {
			break // the others have the same users
		}
	}
	return refusals
}

func (e *examination) tokenOf(endpoint, name, password string) (string, error) {
	cfg := e.cfg
	cfg.Endpoints = []string{endpoint}
	c, err := client.New(cfg)
	if err != nil {
		return "", err
	}
	defer c.Close()
	ctx, cancel := e.app.request()
	defer cancel()
	resp, err := c.Authenticate(ctx, name, password)
	return resp.GetToken(), err
}

// withoutList tells why nobody tells who the members are. A refusal says nothing about the cluster.
func withoutList(answers []said) (f diagnosis.Facts, err error) {
	var troubles []string
	for _, ans := range answers {
		switch {
		case errors.Is(rpctypes.Error(ans.err), rpctypes.ErrUserEmpty):
			return f, fmt.Errorf("%s does not tell how the cluster is: %w; give --user", ans.endpoint, ans.err)
		case ans.status != nil || isRefusal(ans.err):
			return f, fmt.Errorf("%s does not tell how the cluster is: %w", ans.endpoint, ans.err)
		case ans.login:
			troubles = append(troubles, fmt.Sprintf("%s lets nobody log in (%s)", ans.endpoint, explainTransport(ans.err)))
		default:
			troubles = append(troubles, fmt.Sprintf("%s does not answer (%s)", ans.endpoint, explainTransport(ans.err)))
		}
	}
	f.Read = strings.Join(troubles, "; ")
	return f, nil
}

// isRefusal reports whether a member has answered, and said no. That a learner says so means nothing.
func isRefusal(err error) bool {
	if rpctypes.Error(err) == rpctypes.Error(rpctypes.ErrGRPCNotSupportedForLearner) {
		return false
	}
	code := status.Code(err)
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		code = known.Code()
	}
	switch code {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return true
	}
	return false
}

// ask asks endpoints at once.
func (e *examination) ask(endpoints []string) []said {
	answers := make([]said, len(endpoints))
	var asking sync.WaitGroup
	for i, ep := range endpoints {
		asking.Go(func() { answers[i] = e.askOne(ep) })
	}
	asking.Wait()
	return answers
}

func (e *examination) askOne(endpoint string) (ans said) {
	ans.endpoint = endpoint
	cfg := e.cfg
	cfg.Endpoints = []string{endpoint}
	c, err := client.New(cfg)
	if err != nil {
		ans.err = err
		return ans
	}
	defer c.Close()
	ctx, cancel := e.app.request()
	defer cancel()
	start := time.Now()
	ans.status, ans.err = c.Status(ctx, endpoint)
	ans.took = time.Since(start)
	if ans.err != nil {
		ans.status = nil
		return ans
	}
	// A list that this member has without asking others may be old; the newest one counts.
	if list, err := c.MemberList(ctx, client.WithSerializable()); err == nil {
		ans.list = list
	} else {
		ans.err = err
	}
	return ans
}

// newestList returns the list of the member that has applied most. The members must be of one cluster.
func newestList(answers []said) (newest *client.MemberListResponse, err error) {
	var applied uint64
	for _, ans := range answers {
		if ans.list == nil {
			continue
		}
		if newest != nil && newest.Header.ClusterId != ans.list.Header.ClusterId {
			return nil, fmt.Errorf("the endpoints are of different clusters, %x and %x: give those of one", newest.Header.ClusterId, ans.list.Header.ClusterId)
		}
		if newest == nil || ans.status.RaftAppliedIndex > applied {
			newest, applied = ans.list, ans.status.RaftAppliedIndex
		}
	}
	return newest, nil
}

// at returns what was said by a member, or about one that says nothing. It is nil if nobody was asked.
func at(answers []said, m *client.Member) (found *said) {
	for i, ans := range answers {
		switch {
		case ans.status.GetHeader().GetMemberId() == m.ID:
			return &answers[i]
		case ans.status == nil && slices.ContainsFunc(m.ClientURLs, func(u string) bool { return sameHost(u, ans.endpoint) }):
			found = &answers[i]
		}
	}
	return found
}

// sameHost compares endpoints, which may come without a scheme.
func sameHost(a, b string) bool { return hostOf(a) == hostOf(b) }

func hostOf(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		return u.Host
	}
	return endpoint
}

// quorum finds out what takes one, through the members that answer.
func (e *examination) quorum(reached []string, f *diagnosis.Facts) {
	cfg := e.cfg
	cfg.Endpoints = reached
	c, err := client.New(cfg)
	if err != nil {
		f.Read = explainTransport(err)
		return
	}
	defer c.Close()
	ctx, cancel := e.app.request()
	defer cancel()
	if _, err := c.Get(ctx, healthKey); err != nil && !errors.Is(err, rpctypes.ErrPermissionDenied) {
		f.Read = explainTransport(err)
		return
	}
	if resp, err := c.AlarmList(ctx); err == nil {
		f.Alarms = resp.Alarms
	}
}

// explainTransport shortens what gRPC says about a connection to its cause.
func explainTransport(err error) string {
	if err == nil {
		return "unknown"
	}
	text := requestError(err).Error()
	if s, ok := status.FromError(err); ok && !errors.Is(requestError(err), context.DeadlineExceeded) {
		text = s.Message()
	}
	for _, before := range []string{"while dialing: ", "authentication handshake failed: ", `connection error: desc = "`} {
		if _, cause, ok := strings.Cut(text, before); ok {
			text = strings.TrimRight(cause, `"`)
		}
	}
	for _, known := range handshakeSteps {
		if strings.Contains(text, known.cause) {
			return text + "; " + known.step
		}
	}
	return text
}

// handshakeSteps are what to do when two sides do not agree on TLS.
var handshakeSteps = []struct{ cause, step string }{
	{"signed by unknown authority", "give --cacert"},
	{"certificate required", "give --cert and --key"},
	{"error reading server preface", "if it takes TLS alone, write https:// before it"},
	{"first record does not look like a TLS handshake", "it does not take TLS, write http:// before it"},
}
