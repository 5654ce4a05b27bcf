package nodetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"quoin.dev/quoin/robustness/node"
)

// traffic: the lab reaches the nodes, and they reach each other under the addresses that they have.
func traffic(l *lab, first, second node.Node) {
	l.start(first)
	l.start(second)
	from, err := l.get(first, "/ask", "url", at(second, "/from"))
	if err != nil {
		l.Fatal(err)
	}
	if !strings.HasPrefix(from, first.Addr().String()+":") {
		l.Errorf("the second node saw the first one, which is %s, as %s", first.Addr(), from)
	}
	if colour, err := l.get(first, "/env", "name", "COLOUR"); err != nil || colour != "green" {
		l.Errorf("a variable that was given is %q (error: %v)", colour, err)
	}
	if user, err := l.get(first, "/env", "name", "GOMODCACHE_OF_THE_LAB"); err != nil || user != "" {
		l.Errorf("a variable that was not given is %q (error: %v)", user, err)
	}
	file := filepath.Join(l.dir, "written")
	if _, err := l.get(first, "/write", "file", file, "text", "here"); err != nil {
		l.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "here" {
		l.Errorf("the program wrote a file that holds %q for the lab (error: %v)", data, err)
	}
}

// signals: a process that is told to end ends well, one that is killed does not; both can be followed by another one.
func signals(l *lab, first, _ node.Node) {
	l.start(first)
	l.signal(first, syscall.SIGTERM)
	if code := l.ended(first); code != 0 {
		l.Errorf("exit code %d after SIGTERM", code)
	}
	l.start(first)
	l.signal(first, syscall.SIGKILL)
	if code := l.ended(first); code != -1 {
		l.Errorf("exit code %d after SIGKILL", code)
	}
	addr := first.Addr()
	l.start(first)
	if first.Addr() != addr {
		l.Errorf("the address was %s and is %s", addr, first.Addr())
	}
}

// early: a signal is not lost when it comes before the program is ready for it.
func early(l *lab, first, _ node.Node) {
	for range 5 {
		if err := first.Start(l.ctx, l.command(first)); err != nil {
			l.Fatal(err)
		}
		l.signal(first, syscall.SIGTERM)
		l.ended(first)
	}
}

// pause: a process that is stopped does not answer and is not gone; killed, it ends all the same.
func pause(l *lab, first, _ node.Node) {
	l.start(first)
	l.signal(first, syscall.SIGSTOP)
	l.until("the process stands", func() error {
		if !node.Stands(first.PID()) {
			return errors.New("it runs")
		}
		return nil
	})
	l.client.Timeout = 300 * time.Millisecond
	if _, err := l.get(first, "/from"); err == nil {
		l.Error("a process that is stopped has answered")
	}
	l.client.Timeout = askTimeout
	if first.PID() == 0 {
		l.Error("a process that is stopped is gone")
	}
	l.signal(first, syscall.SIGCONT)
	if _, err := l.get(first, "/from"); err != nil {
		l.Errorf("a process that goes on does not answer: %v", err)
	}
	l.signal(first, syscall.SIGSTOP)
	l.signal(first, syscall.SIGKILL)
	l.ended(first)
}

// exitCodes are those that the program chose.
func exitCodes(l *lab, first, _ node.Node) {
	for _, want := range []int{0, 1, 42} {
		l.start(first)
		_, _ = l.get(first, "/exit", "code", fmt.Sprint(want)) // breaks, since the process ends
		if code := l.ended(first); code != want {
			l.Errorf("exit code %d, want %d", code, want)
		}
	}
}

// log: the file goes on over starts, and has the last line before a SIGKILL.
func log(l *lab, _, second node.Node) {
	before := len(l.saidSoFar(second))
	var want []string
	for i := range 3 {
		l.start(second, fmt.Sprint(i))
		text := fmt.Sprint("last words ", i)
		if _, err := l.get(second, "/say", "text", text); err != nil {
			l.Fatal(err)
		}
		l.kill(second)
		want = append(want, fmt.Sprintf("probe begins [%d]", i), text)
	}
	if got := l.said(second)[before:]; strings.Join(got, "\n") != strings.Join(want, "\n") {
		l.Errorf("the log holds %q, want %q", got, want)
	}
}

// saidSoFar is said, of a node that may not have run yet.
func (l *lab) saidSoFar(n node.Node) []string {
	if info, err := os.Stat(l.log(n)); errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	return l.said(n)
}

// hooks: they run for each start, before the program, with the namespace that the program gets.
func hooks(l *lab, _, _ node.Node) {
	n := l.node("hooked")
	var seen []string
	n.OnStart(func(netns *os.File) error {
		info, err := netns.Stat()
		if err == nil {
			seen = append(seen, fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino))
		}
		if begun := l.saidSoFar(n); len(begun) != len(seen)-1 {
			err = errors.Join(err, fmt.Errorf("the program has begun: %q", begun))
		}
		return err
	})
	for i := range 2 {
		l.start(n)
		if len(seen) != i+1 || seen[i] != fmt.Sprint(l.inode(n)) {
			l.Errorf("start %d: the hook saw the namespaces %q; that of the process is %d", i, seen, l.inode(n))
		}
		l.kill(n)
	}
	n.OnStart(func(*os.File) error { return errors.New("no such network") })
	if err := n.Start(l.ctx, l.command(n)); err == nil || !strings.Contains(err.Error(), "no such network") {
		l.Errorf("a start whose hook failed says %v", err)
	}
	if n.PID() != 0 {
		l.Errorf("process %d runs although a hook failed", n.PID())
	}
}

// inode stands for the network namespace of a process.
func (l *lab) inode(n node.Node) uint64 {
	l.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", n.PID()))
	if err != nil {
		l.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

// namespace: each node has one of its own.
func namespace(l *lab, first, second node.Node) {
	seen := map[uint64]bool{}
	for _, n := range []node.Node{first, second} {
		l.start(n)
		netns, err := n.NetNS()
		if err != nil {
			l.Fatal(err)
		}
		info, err := netns.Stat()
		if err != nil {
			l.Fatal(err)
		}
		ino := info.Sys().(*syscall.Stat_t).Ino
		if ino != l.inode(n) {
			l.Errorf("%s: the namespace is %d, that of its process %d", n.Name(), ino, l.inode(n))
		}
		seen[ino] = true
		if err := netns.Close(); err != nil {
			l.Error(err)
		}
	}
	if len(seen) != 2 {
		l.Error("both nodes have the same network namespace")
	}
}

// mistakes: what cannot be done is an error, and the node can be used after it.
func mistakes(l *lab, first, _ node.Node) {
	if err := first.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		l.Errorf("a signal to nobody: %v", err)
	}
	c := l.command(first)
	c.Binary = filepath.Join(l.dir, "missing")
	if err := first.Start(l.ctx, c); err == nil {
		l.Error("a program that is not there was started")
	}
	l.start(first)
	if err := first.Start(l.ctx, l.command(first)); err == nil {
		l.Error("a second process was started")
	}
}
