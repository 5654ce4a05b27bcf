package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"quoin.dev/quoin/e2e/cluster"
)

// probed is the answer of a member to a probe.
type probed struct {
	Status int
	Body   string
	Took   time.Duration
}

// probe asks one path of a member; the answer of a member that does not give one is empty.
func probe(m *cluster.Member, path string) func() probed {
	return func() probed {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		start := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.ClientURL+path, nil)
		if err != nil {
			return probed{Body: err.Error()}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return probed{Body: err.Error()}
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return probed{Status: response.StatusCode, Body: string(body), Took: time.Since(start)}
	}
}

// says matches an answer that came without waiting for a request to time out, which takes 7 s; how soon it comes exactly is for the
// test of the package.
func says(status int, body ...string) types.GomegaMatcher {
	all := []types.GomegaMatcher{HaveField("Status", status), HaveField("Took", BeNumerically("<", 5*time.Second))}
	for _, b := range body {
		all = append(all, HaveField("Body", ContainSubstring(b)))
	}
	return And(all...)
}

var _ = Describe("probes", func() {
	It("answer in time and tell the truth while the others are gone", func() {
		c := start(cluster.Options{Members: 3})
		m := c.Members[0]
		for _, path := range []string{"/health", "/livez", "/readyz"} {
			Eventually(probe(m, path), "30s").Should(says(http.StatusOK))
		}
		for _, other := range others(c, m) { // they hang, which nobody but their silence tells
			Expect(other.Pause()).To(Succeed())
		}
		Consistently(probe(m, "/livez?verbose"), "1s").Should(says(http.StatusOK, "[+]serializable_read ok\n"))
		Consistently(probe(m, "/readyz"), "1s").Should(says(http.StatusServiceUnavailable, "[-]linearizable_read failed: etcdserver: request timed out\n"))
		Eventually(probe(m, "/health"), "20s").Should(says(http.StatusServiceUnavailable, `"RAFT NO LEADER"`))
		Eventually(probe(m, "/health?serializable=true"), "20s").Should(says(http.StatusOK))
		for _, other := range others(c, m) {
			Expect(other.Resume()).To(Succeed())
		}
		for _, path := range []string{"/health", "/livez", "/readyz"} {
			Eventually(probe(m, path), "30s").Should(says(http.StatusOK))
		}
	})

	It("say that a disk is stuck", func() {
		c := start(cluster.Options{Members: 1, Program: faultyDisk})
		m := c.Members[0]
		Eventually(probe(m, "/readyz"), "20s").Should(says(http.StatusOK))
		l := startLoad(connect(c), 2)
		l.reached(20)
		disk(m, "stall")
		Eventually(probe(m, "/readyz"), "20s").Should(says(http.StatusServiceUnavailable, "[-]member failed: ", stalledDisk))
		Eventually(probe(m, "/health"), "20s").Should(says(http.StatusServiceUnavailable, stalledDisk))
		Eventually(probe(m, "/livez"), "20s").Should(says(http.StatusOK))
		disk(m, "")
		Eventually(probe(m, "/readyz"), "20s").Should(says(http.StatusOK))
		l.stop()
	})
})

var _ = Describe("the port of clients", func() {
	It("serves others while somebody sends a request byte by byte, and gives him up", func() {
		c := start(cluster.Options{Members: 1})
		m := c.Members[0]
		slow := map[string]net.Conn{}
		for _, begin := range []string{"GET /health HTTP/1.1\r\nX: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "P", ""} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(m.ClientURL, "http://"))
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(conn.Close)
			_, err = io.WriteString(conn, begin)
			Expect(err).NotTo(HaveOccurred())
			slow[begin] = conn
		}
		_, err := connect(c).Put(within(time.Minute), "a", "1")
		Expect(err).NotTo(HaveOccurred())
		Expect(probe(m, "/health")()).To(says(http.StatusOK))
		for begin, conn := range slow {
			Eventually(func() error {
				_, _ = io.WriteString(conn, "x")
				Expect(conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))).To(Succeed())
				_, err := io.Copy(io.Discard, conn)
				if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
					return nil // it is still open
				}
				return io.EOF
			}, "30s", "100ms").Should(HaveOccurred(), "%q", begin)
		}
	})
})
