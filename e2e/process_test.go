package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
)

var _ = Describe("a process", func() {
	It("tells its service manager how it is, in the order that it expects", func() {
		path := filepath.Join(GinkgoT().TempDir(), "notify")
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(socket.Close)
		var mu sync.Mutex
		var told []string
		go func() {
			buffer := make([]byte, 4096)
			for {
				n, err := socket.Read(buffer)
				if err != nil {
					return
				}
				mu.Lock()
				told = append(told, string(buffer[:n]))
				mu.Unlock()
			}
		}()
		list := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(told)
		}
		c := prepare(cluster.Options{Members: 1})
		m := c.Members[0]
		m.Wrapper = []string{"env", "NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=2000000"}
		Expect(c.Start()).To(Succeed())
		Eventually(list, "30s").Should(ContainElements(HavePrefix("EXTEND_TIMEOUT_USEC="), Equal("READY=1"), Equal("WATCHDOG=1"), HavePrefix("STATUS=leads its cluster, term ")))
		Expect(list()).NotTo(ContainElement("STOPPING=1"))
		Expect(m.Stop()).To(Succeed())
		Eventually(list, "20s").Should(ContainElement("STOPPING=1"))
		Expect(m.ExitCode()).To(Equal(0))
	})

	It("takes the sockets that its service manager opened", func() {
		c := prepare(cluster.Options{Members: 1})
		m := c.Members[0]
		l, err := net.Listen("tcp", strings.TrimPrefix(m.ClientURL, "http://"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		file, err := l.(*net.TCPListener).File()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(file.Close)
		m.Files = []*os.File{file}
		m.Wrapper = []string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh"}
		Expect(c.Start()).To(Succeed(), "it does not try to open the port, which is taken")
		_, err = connect(c).Put(within(time.Minute), "a", "1")
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Stop()).To(Succeed())
	})

	It("goes on when nobody reads its log any more", func() {
		c := start(cluster.Options{Members: 1})
		m := c.Members[0]
		Expect(m.Stop()).To(Succeed())
		reader, writer, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		m.Output = writer
		Expect(m.Launch()).To(Succeed())
		Expect(writer.Close()).To(Succeed())
		m.Output = nil
		Expect(reader.Close()).To(Succeed())
		_, err = connect(c).Put(within(time.Minute), "a", "1")
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Stop()).To(Succeed())
		Expect(m.ExitCode()).To(Equal(0))
	})

	It("ends at once when it is told so twice", func() {
		c := start(cluster.Options{Members: 3, Flags: patientFlags})
		leader := leaderOf(within(time.Minute), c)
		for _, m := range others(c, leader) {
			Expect(m.Pause()).To(Succeed())
		}
		// It finds both when it wakes: a second that is sent later may find that it has ended. Two of one kind would be one.
		Expect(leader.Pause()).To(Succeed())
		Expect(leader.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(leader.Signal(syscall.SIGINT)).To(Succeed())
		Expect(leader.Resume()).To(Succeed())
		Eventually(leader.Ended(), "20s").Should(BeClosed())
		Expect(leader.Log()).To(ContainSubstring("received signal; shutting down"))
		Expect(leader.Log()).To(ContainSubstring("received another signal; ending at once"))
		Expect(leader.ExitCode()).To(Equal(1))
	})

	It("looks for mistakes without starting, and starts what it has found to be right", func() {
		binary, err := cluster.Build("quoin.dev/server/cmd/quoin")
		Expect(err).NotTo(HaveOccurred())
		dir := GinkgoT().TempDir()
		file := filepath.Join(dir, "quoin.yaml")
		check := func(text string) (string, int) {
			GinkgoHelper()
			Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
			cmd := exec.Command(binary, "--check-config", "--config-file="+file)
			out, _ := cmd.CombinedOutput()
			return string(out), cmd.ProcessState.ExitCode()
		}
		data := filepath.Join(dir, "data")
		good := fmt.Sprintf("name: a\ndata-dir: %s\nlisten-peer-urls: http://127.0.0.1:0\nlisten-client-urls: http://127.0.0.1:0\n", data)
		out, code := check(good)
		Expect(code).To(Equal(0), out)
		Expect(data).NotTo(BeAnExistingFile())
		out, code = check(good + "initial-cluster: b=http://127.0.0.1:1\n")
		Expect(code).To(Equal(1))
		Expect(out).To(ContainSubstring(`this member, "a", is not among b; add a=URL to the list`))

		_, _ = check(good)
		cmd := exec.Command(binary, "--config-file="+file)
		log := filepath.Join(dir, "log")
		to, err := os.Create(log)
		Expect(err).NotTo(HaveOccurred())
		defer to.Close()
		cmd.Stderr = to
		Expect(cmd.Start()).To(Succeed())
		said := func() string { text, _ := os.ReadFile(log); return string(text) }
		Eventually(said, "30s").Should(ContainSubstring("ready to serve client requests"))
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(cmd.Wait()).To(Succeed())
	})
})
