package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"quoin.dev/quoin/e2e/cluster"
	"quoin.dev/server/discovery/dnstest"
)

// refusedAtOnce starts a member that must end by itself, with one clear line and without a directory.
func refusedAtOnce(m *cluster.Member, wanted string) {
	GinkgoHelper()
	Expect(m.Launch()).To(Succeed())
	Eventually(m.Running, "30s").Should(BeFalse())
	Expect(m.ExitCode()).NotTo(Equal(0))
	Expect(m.Log()).To(ContainSubstring(wanted))
	Expect(m.Log()).NotTo(ContainSubstring("goroutine "))
	Expect(m.Dir).NotTo(BeADirectory())
}

var _ = Describe("members that find each other", func() {
	It("through another cluster, though one of them is killed while it waits", func() {
		registry := start(cluster.Options{Members: 1})
		_, err := connect(registry).Put(within(time.Minute), "/_etcd/registry/token/_config/size", "3")
		Expect(err).NotTo(HaveOccurred())
		flags := []string{"--discovery-endpoints=" + registry.Members[0].ClientURL, "--discovery-token=token"}
		c := prepare(cluster.Options{Members: 3})
		for _, m := range c.Members {
			m.Discovery = flags
		}
		first := c.Members[0]
		waits := func() {
			GinkgoHelper()
			Expect(first.Launch()).To(Succeed())
			Eventually(first.Log, "30s").Should(ContainSubstring("waiting for peers from discovery service"))
			Expect(first.Dir).NotTo(BeADirectory())
		}
		waits()
		Expect(first.Kill()).To(Succeed())
		waits() // its place is kept
		Expect(first.Stop()).To(Succeed())
		Expect(first.ExitCode()).To(Equal(0), "one that only waits stops at once")
		Expect(c.Start()).To(Succeed())
		list, err := connect(c).MemberList(within(time.Minute))
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Members).To(HaveLen(3))

		late := prepare(cluster.Options{Members: 1}).Members[0]
		late.Discovery = flags
		refusedAtOnce(late, "discovery: cluster is full")
		lost := first
		Expect(lost.Kill()).To(Succeed())
		Expect(os.RemoveAll(lost.Dir)).To(Succeed())
		refusedAtOnce(lost, "has already been bootstrapped")
	})

	It("by DNS", func() {
		c := prepare(cluster.Options{Members: 3})
		var records []net.SRV
		for _, m := range c.Members {
			_, port, _ := net.SplitHostPort(strings.TrimPrefix(m.PeerURL, "http://"))
			number, err := strconv.ParseUint(port, 10, 16)
			Expect(err).NotTo(HaveOccurred())
			records = append(records, net.SRV{Target: "host" + port + ".quoin.test", Port: uint16(number)})
		}
		zone := dnstest.Zone{SRV: map[string][]net.SRV{"_etcd-server-e2e._tcp.quoin.test": records}, Host: map[string]string{}}
		for i, m := range c.Members {
			zone.Host[records[i].Target] = "127.0.0.1"
			m.Discovery = []string{"--discovery-srv=quoin.test", "--discovery-srv-name=e2e",
				"--initial-advertise-peer-urls=http://" + records[i].Target + ":" + strconv.Itoa(int(records[i].Port))}
			m.Wrapper = askingAt("127.0.53.53", zone)
		}
		Expect(c.Start()).To(Succeed())
		list, err := connect(c).MemberList(within(time.Minute))
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Members).To(HaveLen(3))
		for _, m := range list.Members {
			Expect(m.PeerURLs).To(HaveExactElements(ContainSubstring(".quoin.test:")))
		}

		stranger := prepare(cluster.Options{Members: 1}).Members[0]
		stranger.Discovery, stranger.Wrapper = []string{"--discovery-srv=quoin.test", "--discovery-srv-name=e2e"}, c.Members[0].Wrapper
		refusedAtOnce(stranger, `cannot find local etcd member \"m0\" in SRV records`)
		stranger.Discovery = []string{"--discovery-srv=quoin.test", "--discovery-srv-name=other"}
		refusedAtOnce(stranger, "error querying DNS SRV records for _etcd-server-ssl-other")
	})
})

// servers are the name servers that run, by their address.
var servers = map[string]*dnstest.Server{}

// askingAt returns a wrapper for members that ask a name server of the test instead of that of the system. The member has a
// view of the file system of its own for that, which only root can give it.
func askingAt(address string, zone dnstest.Zone) []string {
	GinkgoHelper()
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		Skip("needs root and unshare(1), to show members another /etc/resolv.conf")
	}
	if servers[address] == nil {
		server, err := dnstest.Listen(net.JoinHostPort(address, "53"), zone)
		if err != nil {
			Skip("the port of a name server can not be had: " + err.Error())
		}
		servers[address] = server
		DeferCleanup(func() {
			server.Close()
			delete(servers, address)
		})
	}
	settings := filepath.Join(GinkgoT().TempDir(), "resolv.conf")
	Expect(os.WriteFile(settings, []byte("nameserver "+address+"\n"), 0o644)).To(Succeed())
	return []string{"unshare", "-m", "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, settings}
}

var _ = Describe("a member whose flags contradict the cluster", func() {
	It("is not named in the list of members", func() {
		m := prepare(cluster.Options{Members: 1, Flags: []string{"--name=other"}}).Members[0]
		refusedAtOnce(m, `couldn't find local name \"other\" in the initial cluster configuration`)
	})

	It("is reached at another address than the list says", func() {
		m := prepare(cluster.Options{Members: 1, Flags: []string{"--initial-advertise-peer-urls=http://127.0.0.1:1"}}).Members[0]
		refusedAtOnce(m, "but missing from --initial-advertise-peer-urls=http://127.0.0.1:1")
	})

	It("names founders twice", func() {
		m := prepare(cluster.Options{Members: 1, Flags: []string{"--discovery-srv=x"}}).Members[0]
		refusedAtOnce(m, "multiple discovery or bootstrap flags are set")
	})

	It("joins nobody", func() {
		m := prepare(cluster.Options{Members: 2, Flags: []string{"--initial-cluster-state=existing"}}).Members[0]
		refusedAtOnce(m, "could not retrieve cluster information from the given URLs")
	})

	It("joins a cluster that has other members than the list", func() {
		c := start(cluster.Options{Members: 2})
		joining := prepare(cluster.Options{Members: 1}).Members[0]
		all := "m0=" + c.Members[0].PeerURL + ",m1=" + c.Members[1].PeerURL + ",new=" + joining.PeerURL
		joining.Discovery = []string{"--name=new", "--initial-cluster-state=existing", "--initial-cluster=" + all}
		refusedAtOnce(joining, "member count is unequal") // nobody has added it
		Eventually(func() error {                         // the members have to be connected for a while
			_, err := connect(c).MemberAddAsLearner(within(time.Minute), []string{"http://127.0.0.1:1"})
			if err != nil && strings.Contains(err.Error(), "Peer URLs already exists") {
				return nil // the answer to an earlier attempt was lost
			}
			return err
		}, "60s").Should(Succeed())
		for _, m := range c.Members { // whichever of them is asked by the one that joins
			list, err := connect(c, m).MemberList(within(time.Minute))
			Expect(err).NotTo(HaveOccurred())
			Expect(list.Members).To(HaveLen(3))
		}
		refusedAtOnce(joining, "PeerURLs: no match found") // it was added with another address
		_, err := connect(c).Put(within(time.Minute), "still", "there")
		Expect(err).NotTo(HaveOccurred())
	})

	It("founds a cluster that its neighbours have founded otherwise", func() {
		c := prepare(cluster.Options{Members: 3})
		for _, m := range c.Members[:2] {
			m.Token = "one"
			Expect(m.Launch()).To(Succeed())
		}
		for _, m := range c.Members[:2] {
			Expect(m.WaitReady(time.Minute)).To(Succeed())
		}
		c.Members[2].Token = "two"
		refusedAtOnce(c.Members[2], "belong to another one")
	})
})
