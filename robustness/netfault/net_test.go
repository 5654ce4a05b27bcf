package netfault

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patience is what a test gives to what must happen; briefly is how long it looks at what must not.
const (
	patience = 20 * time.Second
	briefly  = 300 * time.Millisecond
)

// testNode is a namespace with an address on a bridge, which is in a namespace of its own. They go with the files.
type testNode struct {
	name  string
	addr  netip.Addr
	netns *os.File
}

// testNet makes nodes with these names, and attaches them.
func testNet(t *testing.T, names ...string) (*Net, []*testNode) {
	n, nodes, _ := testNetOn(t, names...)
	return n, nodes
}

func testNetOn(t *testing.T, names ...string) (*Net, []*testNode, *testBridge) {
	t.Helper()
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	bridge := newBridge(t)
	n := New()
	t.Cleanup(func() { must(t, n.Close()) })
	var nodes []*testNode
	for i, name := range names {
		node := &testNode{name: name, addr: netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)})}
		node.netns = bridge.plug(t, node.addr)
		must(t, n.Attach(name, node.addr, node.netns))
		nodes = append(nodes, node)
	}
	return n, nodes, bridge
}

// testBridge is a switch in its own namespace.
type testBridge struct {
	handle *netlink.Handle
	link   netlink.Link
	ports  int
}

func newBridge(t *testing.T) *testBridge {
	handle := handleOf(t, newNamespace(t))
	attributes := netlink.NewLinkAttrs()
	attributes.Name = "switch"
	link := &netlink.Bridge{LinkAttrs: attributes}
	must(t, handle.LinkAdd(link))
	must(t, handle.LinkSetUp(link))
	return &testBridge{handle: handle, link: link}
}

// plug makes a namespace with that address.
func (b *testBridge) plug(t *testing.T, addr netip.Addr) *os.File {
	t.Helper()
	namespace := newNamespace(t)
	attributes := netlink.NewLinkAttrs()
	b.ports++
	attributes.Name = fmt.Sprint("port", b.ports)
	// The others remember which hardware has the address. Docker derives it from the address as well.
	ip := addr.As4()
	port := &netlink.Veth{
		LinkAttrs: attributes, PeerName: "eth0", PeerNamespace: netlink.NsFd(namespace.Fd()),
		PeerHardwareAddr: append(net.HardwareAddr{2, 0x42}, ip[:]...),
	}
	must(t, b.handle.LinkAdd(port))
	must(t, b.handle.LinkSetMaster(port, b.link))
	must(t, b.handle.LinkSetUp(port))
	t.Cleanup(func() {
		// It is gone already if another was given its address.
		_ = b.handle.LinkDel(port)
	})
	handle := handleOf(t, namespace)
	for _, name := range []string{"lo", "eth0"} {
		link, err := handle.LinkByName(name)
		must(t, err)
		must(t, handle.LinkSetUp(link))
		if name == "eth0" {
			must(t, handle.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(24, 32)}}))
		}
	}
	return namespace
}

// unplug takes the newest namespace off.
func (b *testBridge) unplug(t *testing.T) {
	port, err := b.handle.LinkByName(fmt.Sprint("port", b.ports))
	must(t, err)
	must(t, b.handle.LinkDel(port))
}

func handleOf(t *testing.T, namespace *os.File) *netlink.Handle {
	t.Helper()
	handle, err := netlink.NewHandleAt(netns.NsHandle(namespace.Fd()), unix.NETLINK_ROUTE)
	must(t, err)
	t.Cleanup(handle.Close)
	return handle
}

// newNamespace makes one that nothing but the file holds.
func newNamespace(t *testing.T) *os.File {
	t.Helper()
	var file *os.File
	must(t, onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		file, err = os.Open("/proc/thread-self/ns/net")
		return err
	}))
	t.Cleanup(func() { must(t, file.Close()) })
	return file
}

// inside calls f on a thread in a namespace. Sockets that it makes stay there.
func inside(namespace *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// onThread calls f on a thread that ends after it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func isTimeout(err error) bool {
	var failed net.Error
	return errors.As(err, &failed) && failed.Timeout()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const testPort = 2380

// listen begins to listen on a node, on all addresses as servers do.
func (n *testNode) listen(t *testing.T) net.Listener {
	t.Helper()
	var listener net.Listener
	must(t, inside(n.netns, func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprint(":", testPort))
		return err
	}))
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// dial connects from a node.
func (n *testNode) dial(to *testNode, timeout time.Duration) (net.Conn, error) {
	var conn net.Conn
	err := inside(n.netns, func() (err error) {
		conn, err = net.DialTimeout("tcp", netip.AddrPortFrom(to.addr, testPort).String(), timeout)
		return err
	})
	return conn, err
}

// end is one end of a connection that lines go over.
type end struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

// connect makes a connection between two nodes.
func connect(t *testing.T, from, to *testNode, listener net.Listener) (*end, *end) {
	t.Helper()
	a, err := from.dial(to, patience)
	must(t, err)
	must(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	b, err := listener.Accept()
	must(t, err)
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return &end{t, a, bufio.NewReader(a)}, &end{t, b, bufio.NewReader(b)}
}

func (e *end) say(text string) {
	e.t.Helper()
	must(e.t, e.SetWriteDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(e, text+"\n")
	must(e.t, err)
}

// hears waits for a line.
func (e *end) hears(text string) {
	e.t.Helper()
	must(e.t, e.SetReadDeadline(time.Now().Add(patience)))
	if got, err := e.lines.ReadString('\n'); err != nil || got != text+"\n" {
		e.t.Fatalf("heard %d bytes, %v; want %d bytes", len(got), err, len(text)+1)
	}
}

// hearsNothing waits for nothing to come.
func (e *end) hearsNothing() {
	e.t.Helper()
	must(e.t, e.SetReadDeadline(time.Now().Add(briefly)))
	if got, err := e.lines.ReadString('\n'); got != "" || !isTimeout(err) {
		e.t.Fatalf("heard %d bytes, %v; want nothing", len(got), err)
	}
}

// isReset waits for the end by a reset.
func (e *end) isReset() {
	e.t.Helper()
	must(e.t, e.SetReadDeadline(time.Now().Add(patience)))
	if got, err := e.lines.ReadString('\n'); !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNABORTED) {
		e.t.Fatalf("heard %q, %v; want a reset", got, err)
	}
}

func bit(t *testing.T, n *Net, from, to *testNode) Count {
	t.Helper()
	count, err := n.Bit(from.name, to.name)
	must(t, err)
	return count
}
