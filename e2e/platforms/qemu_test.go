package platforms

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/spec"
)

// emulators are the user-mode emulators of QEMU as Debian and others name them, by GOARCH.
var emulators = map[string]string{"arm64": "aarch64", "riscv64": "riscv64", "s390x": "s390x"}

// patience bounds each step: an emulated program is slower by an order of magnitude.
const patience = 90 * time.Second

// on compiles for a processor and finds its emulator.
func on(t *testing.T, arch string) *machine {
	t.Helper()
	m := &machine{arch: arch}
	if arch != runtime.GOARCH {
		for _, name := range []string{"qemu-" + emulators[arch] + "-static", "qemu-" + emulators[arch]} {
			if path, err := exec.LookPath(name); err == nil {
				m.emulator = path
			}
		}
		if m.emulator == "" {
			t.Skipf("there is no qemu-%s here (on Debian: apt-get install qemu-user-static)", emulators[arch])
		}
	}
	m.binaries = compiled(t, release(t), spec.Platform{OS: "linux", Arch: arch})
	return m
}

// machine runs the programs of one processor.
type machine struct {
	arch, emulator string
	binaries       map[string]string
}

func (m *machine) command(name string, args ...string) *exec.Cmd {
	if m.emulator == "" {
		return exec.Command(m.binaries[name], args...)
	}
	return exec.Command(m.emulator, append([]string{m.binaries[name]}, args...)...)
}

// member is a running server.
type member struct {
	t        *testing.T
	on       *machine
	endpoint string
	cmd      *exec.Cmd
	log      string
}

// serve starts a member with its data in dir and waits until it answers.
func (m *machine) serve(t *testing.T, dir string) *member {
	t.Helper()
	s := m.start(t, dir)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	NewWithT(t).Eventually(s.said, patience, "100ms").Should(ContainSubstring("ready to serve client requests"))
	return s
}

// refuses starts a member that must not come up, and returns what it said.
func (m *machine) refuses(t *testing.T, dir string) string {
	t.Helper()
	s := m.start(t, dir)
	deadline := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	defer deadline.Stop()
	NewWithT(t).Expect(s.cmd.Wait()).To(MatchError(ContainSubstring("exit status 1")), s.said)
	return s.said()
}

func (m *machine) start(t *testing.T, dir string) *member {
	t.Helper()
	g := NewWithT(t)
	client, peer := freePorts(t)
	s := &member{t: t, on: m, endpoint: fmt.Sprintf("http://127.0.0.1:%d", client), log: filepath.Join(t.TempDir(), "log")}
	log, err := os.Create(s.log)
	g.Expect(err).NotTo(HaveOccurred())
	defer log.Close()
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", peer)
	s.cmd = m.command("quoin", "--data-dir="+dir, "--listen-client-urls="+s.endpoint, "--advertise-client-urls="+s.endpoint,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=default="+peerURL)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	g.Expect(s.cmd.Start()).To(Succeed())
	return s
}

func (s *member) said() string {
	data, _ := os.ReadFile(s.log)
	return string(data)
}

// ctl runs the command line of the same processor.
func (s *member) ctl(args ...string) string {
	s.t.Helper()
	cmd := s.on.command("quoinctl", append([]string{"--endpoints=" + s.endpoint, "--command-timeout=60s", "--dial-timeout=30s"}, args...)...)
	out, err := cmd.CombinedOutput()
	NewWithT(s.t).Expect(err).NotTo(HaveOccurred(), "%s\n%s", out, s.said())
	return strings.TrimRight(string(out), "\n")
}

// stop ends the member as an operator does.
func (s *member) stop() {
	s.t.Helper()
	g := NewWithT(s.t)
	g.Expect(s.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	g.Eventually(ended, patience).Should(Receive(BeNil()), s.said)
}

// freePorts returns two ports, which are not the same one.
func freePorts(t *testing.T) (client, peer int) {
	t.Helper()
	var ports [2]int
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1]
}

// TestOtherProcessors: put, get, restart, and a data directory that goes from one processor to another and back.
//
// s390x is big-endian. bbolt writes the structures of its file as they are in memory, so the database can not cross, in
// quoin as in etcd; a member says so. The log can: where it reaches back to the first entry, a member without its database
// makes it again from there, and then has the same revisions and the same hash.
func TestOtherProcessors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("QEMU's user mode runs programs of Linux on Linux only")
	}
	for _, arch := range []string{"arm64", "s390x", "riscv64"} {
		t.Run(arch, func(t *testing.T) {
			g := NewWithT(t)
			there, here := on(t, arch), on(t, runtime.GOARCH)
			dir := filepath.Join(t.TempDir(), "data")
			cross := func(to *machine) {
				if bigEndian(there.arch) == bigEndian(here.arch) {
					return
				}
				g.Expect(to.refuses(t, dir)).To(ContainSubstring("written by a machine of the other byte order"))
				g.Expect(os.Remove(filepath.Join(dir, "member", "snap", "db"))).To(Succeed())
			}

			s := there.serve(t, dir)
			g.Expect(s.ctl("put", "written", "on "+arch)).To(Equal("OK"))
			for i := range 20 {
				s.ctl("put", "many/"+fmt.Sprint(i%5), fmt.Sprint(i))
			}
			g.Expect(s.ctl("get", "written")).To(Equal("written\non " + arch))
			before := s.ctl("get", "", "--prefix", "--write-out=json")
			s.stop()

			// The log, the database and the membership are read back, first there and then here.
			s = there.serve(t, dir)
			g.Expect(withoutTerm(s.ctl("get", "", "--prefix", "--write-out=json"))).To(Equal(withoutTerm(before)))
			s.stop()
			cross(here)
			s = here.serve(t, dir)
			g.Expect(withoutTerm(s.ctl("get", "", "--prefix", "--write-out=json"))).To(Equal(withoutTerm(before)))
			g.Expect(s.ctl("put", "written", "on "+runtime.GOARCH)).To(Equal("OK"))
			hash := s.ctl("endpoint", "hashkv")
			s.stop()

			// And back again: two processors agree about the hash of the data.
			cross(there)
			s = there.serve(t, dir)
			g.Expect(s.ctl("get", "written")).To(Equal("written\non " + runtime.GOARCH))
			g.Expect(numbers(s.ctl("endpoint", "hashkv"))).To(Equal(numbers(hash)))
			s.stop()
		})
	}
}

// bigEndian reports whether the processor has the highest byte of a number first in memory.
func bigEndian(arch string) bool { return arch == "s390x" }

// withoutTerm drops what a restart changes: every one is an election.
func withoutTerm(json string) string {
	_, rest, _ := strings.Cut(json, `"raft_term":`)
	return rest[strings.IndexAny(rest, ",}"):]
}

// numbers drops the endpoint, whose port is another one after a restart.
func numbers(line string) string {
	_, rest, _ := strings.Cut(line, ", ")
	return rest
}
