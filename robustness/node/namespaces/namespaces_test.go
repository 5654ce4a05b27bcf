package namespaces

import (
	"testing"

	"github.com/vishvananda/netlink"

	"quoin.dev/quoin/robustness/node"
	"quoin.dev/quoin/robustness/node/nodetest"
)

func newHost(t *testing.T) *Host {
	t.Helper()
	if err := Check(); err != nil {
		t.Skip(err)
	}
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHost(t *testing.T) {
	nodetest.Test(t, func() node.Host { return newHost(t) })
}

func TestTwoLabsDoNotMeet(t *testing.T) {
	a, b := newHost(t), newHost(t)
	defer a.Close()
	defer b.Close()
	if a.Lab() == b.Lab() {
		t.Fatalf("both have the address %s", a.Lab())
	}
}

func TestCleanTakesOnlyWhatNobodyHas(t *testing.T) {
	h := newHost(t)
	defer h.Close()
	left := linkPrefix + "999"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: left}, PeerName: left + "p"}); err != nil {
		t.Fatal(err)
	}
	if err := Clean(); err != nil {
		t.Error(err)
	}
	if _, err := netlink.LinkByName(h.link()); err != nil {
		t.Errorf("Clean has removed the link of a lab that lives: %v", err)
	}
	if link, err := netlink.LinkByName(left); err == nil {
		t.Error("Clean has left the link of a lab that does not live")
		_ = netlink.LinkDel(link)
	}
}
