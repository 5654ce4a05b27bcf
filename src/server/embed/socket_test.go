//go:build unix

package embed

import (
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTwoProcessesCanShareAPort(t *testing.T) {
	w := NewWithT(t)
	shared := listening{sockets: sockets{reusePort: true, reuseAddress: true}}
	first, err := listen(urls("http://127.0.0.1:0"), shared)
	w.Expect(err).NotTo(HaveOccurred())
	defer closeAll(first)
	address := "http://" + first[0].Addr().String()
	_, err = listen(urls(address), listening{})
	w.Expect(err).To(MatchError(syscall.EADDRINUSE), "who does not ask for it does not get it")
	second, err := listen(urls(address), shared)
	w.Expect(err).NotTo(HaveOccurred())
	closeAll(second)
}
