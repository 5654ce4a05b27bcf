package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// process is a program of this repository that a test suspends.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    output // stdout and stderr
	exited chan struct{}
}

func launch(program string, args ...string) *process {
	GinkgoHelper()
	binary, err := cluster.Build(program)
	Expect(err).NotTo(HaveOccurred())
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.stdin, err = p.cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(p.cmd.Start()).To(Succeed())
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	DeferCleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.exited
	})
	return p
}

func (p *process) says(what string) {
	GinkgoHelper()
	Eventually(p.out.String, "60s").Should(ContainSubstring(what))
}

func (p *process) signal(s os.Signal) {
	GinkgoHelper()
	Expect(p.cmd.Process.Signal(s)).To(Succeed())
}

func (p *process) tell(line string) {
	GinkgoHelper()
	_, err := fmt.Fprintln(p.stdin, line)
	Expect(err).NotTo(HaveOccurred())
}

// holds waits until the process has the lock, and returns the revision that fences it.
func (p *process) holds() (revision int64) {
	GinkgoHelper()
	p.says("held ")
	_, said, _ := strings.Cut(p.out.String(), "held ") // a client may have logged before
	_, err := fmt.Sscan(said, &revision)
	Expect(err).NotTo(HaveOccurred())
	return revision
}

// Jepsen 3.4.3 lock: a lock on a lease cannot keep a holder that was suspended from believing that it holds it. It must
// learn that it does not, and its writes must be told apart from those of the next one. That one has a long lease, lest it lose
// the lock because the machine is slow.
var _ = DescribeTableSubtree("a holder of a lock that is suspended for longer than its lease", func(members int) {
	var c *cluster.Cluster
	BeforeEach(func() { c = start(cluster.Options{Members: members}) })
	endpoint := func() string { return c.Members[members-1].ClientURL }

	It("learns that it has lost it, and can not write under it", func() {
		hold := func(ttl string) *process { return launch("quoin.dev/quoin/e2e/holder", endpoint(), "ledger", ttl) }
		first := hold("5")
		before := first.holds()
		first.tell("one")
		first.says("written one")
		first.signal(syscall.SIGSTOP)
		second := hold("60")
		Expect(second.holds()).To(BeNumerically(">", before))
		second.tell("two")
		second.says("written two")
		first.tell("late") // the first that it does when it goes on
		first.signal(syscall.SIGCONT)
		first.says("refused late")
		first.says("lost")
		first.tell("later")
		first.says("refused later")
		second.tell("three")
		second.says("written three")
		Expect(second.out.String()).NotTo(ContainSubstring("lost"))
		r, err := connect(c).Get(within(time.Minute), "ledger-value")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(r.Kvs[0].Value)).To(Equal("three"))
		Expect(r.Kvs[0].Version).To(BeEquivalentTo(3))
	})

	It("is told so by quoinctl lock", func() {
		lock := func(ttl string, command ...string) *process {
			args := append([]string{"--endpoints", endpoint(), "lock", "ledger", "--ttl=" + ttl, "--"}, command...)
			return launch("quoin.dev/ctl/cmd/quoinctl", args...)
		}
		fifo := filepath.Join(GinkgoT().TempDir(), "go")
		Expect(syscall.Mkfifo(fifo, 0o600)).To(Succeed())
		first := lock("5", "sh", "-c", `echo held $ETCD_LOCK_REV; cat "$0"; exit 3`, fifo)
		before := first.holds()
		first.signal(syscall.SIGSTOP)
		Expect(lock("60", "sh", "-c", "echo held $ETCD_LOCK_REV").holds()).To(BeNumerically(">", before))
		first.signal(syscall.SIGCONT)
		first.says("is lost")
		// What it does then is the affair of the command, whose exit code counts as ever.
		Expect(os.WriteFile(fifo, nil, 0)).To(Succeed())
		Eventually(first.exited, "60s").Should(BeClosed())
		Expect(first.cmd.ProcessState.ExitCode()).To(Equal(3))
	})

	It("ends quoinctl lock without a command", func() {
		lock := func(ttl string) *process {
			return launch("quoin.dev/ctl/cmd/quoinctl", "--endpoints", endpoint(), "lock", "ledger", "--ttl="+ttl)
		}
		first := lock("5")
		first.says("ledger/")
		first.signal(syscall.SIGSTOP)
		second := lock("60")
		second.says("ledger/")
		first.signal(syscall.SIGCONT)
		Eventually(first.exited, "60s").Should(BeClosed())
		Expect(first.cmd.ProcessState.ExitCode()).To(Equal(1))
		first.says("Error: session expired")
		second.signal(os.Interrupt)
		Eventually(second.exited, "60s").Should(BeClosed())
		Expect(second.cmd.ProcessState.ExitCode()).To(BeZero())
	})
},
	Entry("of one member", 1),
	Entry("of three members", 3),
)
