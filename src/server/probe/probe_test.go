package probe

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	pb "quoin.dev/api/etcdserverpb"
)

var (
	errStalled = errors.New("the disk is stuck")
	errDiffers = errors.New("this member differs")
)

// patient is a member with all that can be wrong.
type patient struct {
	local, latest error
	alarms        []*pb.AlarmMember
	leaderless    bool
	learner       bool
	reasons       []error
	differs       error
	hangs         chan struct{} // if there is one, whatever it is asked
	waits         bool          // for others, until it is not wanted any more
	underWay      atomic.Int32
}

// nobody wants to know.
type nobody struct{}

func (nobody) Health(bool)                {}
func (nobody) Check(string, string, bool) {}

func (p *patient) question() func() {
	p.underWay.Add(1)
	if p.hangs != nil {
		<-p.hangs
	}
	return func() { p.underWay.Add(-1) }
}

func (p *patient) ReadLocal(context.Context) error {
	defer p.question()()
	return p.local
}

func (p *patient) ReadLatest(ctx context.Context) error {
	defer p.question()()
	if p.waits {
		<-ctx.Done()
		return ctx.Err()
	}
	return p.latest
}

func (p *patient) Alarms() []*pb.AlarmMember {
	defer p.question()()
	return p.alarms
}

func (p *patient) HasLeader() bool {
	defer p.question()()
	return !p.leaderless
}

func (p *patient) IsLearner() bool {
	defer p.question()()
	return p.learner
}

func (p *patient) Health() ([]error, <-chan struct{}) {
	defer p.question()()
	return p.reasons, nil
}

func (p *patient) Trusted() error { return p.differs }

func alarms(types ...pb.AlarmType) (list []*pb.AlarmMember) {
	for _, a := range types {
		list = append(list, &pb.AlarmMember{MemberID: 7, Alarm: a})
	}
	return list
}

func get(m Member, path string) (status int, body string) {
	mux := http.NewServeMux()
	Register(mux, m, nobody{})
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestHealthTellsTheFirstReason(t *testing.T) {
	const well = `{"health":"true","reason":""}`
	sick := func(reason string) string { return `{"health":"false","reason":"` + reason + `"}` + "\n" }
	for name, c := range map[string]struct {
		member *patient
		query  string
		want   string
	}{
		"all is well":               {&patient{}, "", well},
		"an alarm":                  {&patient{alarms: alarms(pb.AlarmType_NOSPACE)}, "", sick("ALARM NOSPACE")},
		"two alarms":                {&patient{alarms: alarms(pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT)}, "?exclude=NOSPACE", sick("ALARM CORRUPT")},
		"excluded alarms":           {&patient{alarms: alarms(pb.AlarmType_NOSPACE, pb.AlarmType_CORRUPT)}, "?exclude=NOSPACE&exclude=CORRUPT", well},
		"an alarm, asked alone":     {&patient{alarms: alarms(pb.AlarmType_CORRUPT)}, "?serializable=true", sick("ALARM CORRUPT")},
		"an alarm and no leader":    {&patient{alarms: alarms(pb.AlarmType_NOSPACE), leaderless: true}, "", sick("ALARM NOSPACE")},
		"no leader":                 {&patient{leaderless: true, latest: errTimeout}, "", sick("RAFT NO LEADER")},
		"no leader, asked alone":    {&patient{leaderless: true, waits: true}, "?serializable=true", well},
		"a read fails":              {&patient{latest: errors.New("etcdserver: server stopped")}, "", sick("RANGE ERROR:etcdserver: server stopped")},
		"a read takes too long":     {&patient{latest: errTimeout}, "", sick("RANGE ERROR:context deadline exceeded")},
		"a read fails, asked alone": {&patient{local: errors.New("no")}, "?serializable=true", sick("RANGE ERROR:no")},
		"a stuck disk":              {&patient{reasons: []error{errStalled}}, "", sick("MEMBER ERROR:the disk is stuck")},
		"a stuck disk, asked alone": {&patient{reasons: []error{errStalled}}, "?serializable=true", well},
		"a learner is healthy":      {&patient{learner: true}, "", well},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			status, body := get(c.member, "/health"+c.query)
			w.Expect(body).To(Equal(c.want))
			w.Expect(status == http.StatusOK).To(Equal(c.want == well))
		})
	}
}

// A member is ready only if clients are served by it as they should be: etcd#13527.
func TestReadyTellsTheTruth(t *testing.T) {
	all := []string{"[+]serializable_read ok", "[+]linearizable_read ok", "[+]non_learner ok", "[+]data_corruption ok"}
	with := func(line string) []string {
		lines, name := slices.Clone(all), strings.Fields(line[3:])[0]
		if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l[3:], name+" ") }); i >= 0 {
			lines[i] = line
			return lines
		}
		return append(lines, line)
	}
	for name, c := range map[string]struct {
		member  *patient
		want    []string
		exclude string // makes it ready again
		alive   bool
	}{
		"no leader":    {&patient{latest: errors.New("etcdserver: request timed out")}, with("[-]linearizable_read failed: etcdserver: request timed out"), "linearizable_read", true},
		"a learner":    {&patient{learner: true}, with("[-]non_learner failed: not supported for learner"), "non_learner", true},
		"an alarm":     {&patient{alarms: alarms(pb.AlarmType_CORRUPT)}, with("[-]data_corruption failed: alarm activated: CORRUPT"), "data_corruption", true},
		"it differs":   {&patient{differs: errDiffers, reasons: []error{errDiffers}}, with("[-]data_corruption failed: this member differs"), "data_corruption", true},
		"a stuck disk": {&patient{reasons: []error{errStalled}}, with("[-]member failed: the disk is stuck"), "member", true},
		"stopped":      {&patient{local: errors.New("stopped")}, with("[-]serializable_read failed: stopped"), "serializable_read", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			for _, query := range []string{"", "?verbose"} {
				status, body := get(c.member, "/readyz"+query)
				w.Expect(status).To(Equal(http.StatusServiceUnavailable))
				w.Expect(body).To(Equal(strings.Join(c.want, "\n") + "\n\n"))
			}
			status, body := get(c.member, "/readyz?exclude="+c.exclude)
			w.Expect(body).To(Equal("ok\n"))
			w.Expect(status).To(Equal(http.StatusOK))
			status, _ = get(c.member, "/livez")
			w.Expect(status == http.StatusOK).To(Equal(c.alive))
			if c.exclude != "member" {
				status, _ = get(c.member, "/readyz/"+c.exclude+"?exclude="+c.exclude) // who asks for one wants to know
				w.Expect(status).To(Equal(http.StatusServiceUnavailable))
			}
		})
	}
	w := NewWithT(t)
	status, body := get(&patient{alarms: alarms(pb.AlarmType_NOSPACE)}, "/readyz?verbose")
	w.Expect(status).To(Equal(http.StatusOK), "it still answers reads")
	w.Expect(body).To(Equal(strings.Join(all, "\n") + "\nok\n"))
}

// Whatever hangs, an answer comes within 2 s, and those who ask again and again do not pile up. In a bubble, time passes only while
// all wait, so the answer can be held against its deadline.
func TestAnswersComeWhateverHangs(t *testing.T) {
	for _, path := range []string{"/health", "/readyz", "/readyz/linearizable_read"} {
		for _, hangs := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				w := NewWithT(t)
				m := &patient{waits: !hangs}
				if hangs {
					m.hangs = make(chan struct{})
					defer close(m.hangs)
				}
				mux := http.NewServeMux()
				Register(mux, m, nobody{})
				start := time.Now()
				answers := make(chan int, 50)
				for range cap(answers) {
					go func() {
						r := httptest.NewRecorder()
						mux.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
						answers <- r.Code
					}()
				}
				for range cap(answers) {
					w.Expect(<-answers).To(Equal(http.StatusServiceUnavailable))
				}
				w.Expect(time.Since(start)).To(Equal(answerWithin))
				synctest.Wait()
				w.Expect(m.underWay.Load()).To(BeNumerically("<=", 5), "one for each check")
			})
		}
	}
}
