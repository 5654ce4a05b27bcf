package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"quoin.dev/quoin/e2e/cluster"
)

// terminal opens a terminal and the end at which its user sits.
func terminal() (user, program *os.File) {
	GinkgoHelper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		Skip("there are no terminals here: " + err.Error())
	}
	DeferCleanup(user.Close)
	Expect(unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)).To(Succeed())
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	Expect(err).NotTo(HaveOccurred())
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(program.Close)
	return user, program
}

var _ = Describe("a password on a terminal", func() {
	It("is not shown, and Ctrl-C gives the terminal back as it was", func() {
		quoinctl, err := cluster.Build("quoin.dev/ctl/cmd/quoinctl")
		Expect(err).NotTo(HaveOccurred())
		user, program := terminal()
		echoes := func() bool {
			state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			Expect(err).NotTo(HaveOccurred())
			return state.Lflag&unix.ECHO != 0
		}
		cmd := exec.CommandContext(within(time.Minute), quoinctl, "user", "add", "alice")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		Expect(cmd.Start()).To(Succeed())
		Eventually(echoes, "20s").Should(BeFalse())
		_, err = user.Write([]byte{3})
		Expect(err).NotTo(HaveOccurred())
		Expect(cmd.Wait()).To(MatchError(ContainSubstring("exit status")), "it ends with an error of its own")
		Expect(echoes()).To(BeTrue())
	})
})
