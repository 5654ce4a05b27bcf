package namespaces

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"quoin.dev/quoin/robustness/node"
)

// labVariable, when set, makes the test binary a lab that runs one process and waits for its end, and is the path of the log.
const labVariable = "QUOIN_TEST_LAB"

func TestMain(m *testing.M) {
	if log := os.Getenv(labVariable); log != "" {
		beLab(log)
	}
	if len(os.Args) == 2 && os.Args[1] == "sleep" {
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// beLab says the PID of its process and the name of its link.
func beLab(log string) {
	h, err := New()
	if err != nil {
		panic(err)
	}
	n, err := h.New(context.Background(), "n")
	if err != nil {
		panic(err)
	}
	if err := n.Start(context.Background(), node.Command{Binary: os.Args[0], Args: []string{"sleep"}, LogFile: log}); err != nil {
		panic(err)
	}
	fmt.Println(n.PID(), h.link())
	<-n.Ended()
}

func TestNothingOutlivesALabThatIsKilled(t *testing.T) {
	if err := Check(); err != nil {
		t.Skip(err)
	}
	lab := exec.Command(os.Args[0])
	lab.Env = append(os.Environ(), labVariable+"="+filepath.Join(t.TempDir(), "log"))
	out, err := lab.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var link string
	line, err := bufio.NewReader(out).ReadString('\n')
	if _, scanErr := fmt.Sscan(line, &pid, &link); err != nil || scanErr != nil {
		t.Fatalf("the lab said %q (%v, %v)", line, err, scanErr)
	}
	if _, err := netlink.LinkByName(link); err != nil {
		t.Errorf("the link of the lab: %v", err)
	}
	if err := lab.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = lab.Wait() // says that it was killed
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, linkErr := netlink.LinkByName(link)
		if errors.As(linkErr, new(netlink.LinkNotFoundError)) && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d or link %s is there 20 s after the end of the lab", pid, link)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}
