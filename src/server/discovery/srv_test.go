package discovery_test

import (
	"net"
	"strings"
	"testing"

	"quoin.dev/server/discovery"
	"quoin.dev/server/discovery/dnstest"
)

// What etcd 3.7.3 made of the same records, except where the comment says so.
func TestFoundersInDNS(t *testing.T) {
	at := func(host string, port uint16) net.SRV { return net.SRV{Target: host, Port: port} }
	server, err := dnstest.Listen("127.0.0.1:0", dnstest.Zone{
		Host: map[string]string{"a.test": "127.0.0.1", "b.test": "127.0.0.2", "alias.test": "127.0.0.1"},
		SRV: map[string][]net.SRV{
			"_etcd-server._tcp.one":       {at("a.test", 2380)},
			"_etcd-server._tcp.two":       {at("a.test", 2380), at("b.test", 2380)},
			"_etcd-server-x._tcp.one":     {at("b.test", 2380)},
			"_etcd-server-ssl._tcp.ssl":   {at("a.test", 2380), at("b.test", 2380)},
			"_etcd-server._tcp.both":      {at("a.test", 2380)},
			"_etcd-server-ssl._tcp.both":  {at("b.test", 2380)},
			"_etcd-server._tcp.late":      {at("a.test", 2380), at("late.test", 2380)},
			"_etcd-server._tcp.ports":     {at("a.test", 2380), at("a.test", 2390)},
			"_etcd-server._tcp.mixed":     {at("a.test", 2380), at("b.test", 2380)},
			"_etcd-server-ssl._tcp.mixed": {at("c.test", 2380)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, tt := range []struct{ domain, name, own, want, wrong string }{
		{"one", "", "http://a.test:2380", "m=http://a.test:2380", ""},
		{"one", "", "http://A.test:2380", "m=http://a.test:2380", ""},
		{"one", "", "http://127.0.0.1:2380", "m=http://a.test:2380", ""},
		{"one", "", "http://alias.test:2380", "m=http://a.test:2380", ""},
		{"two", "", "http://a.test:2380", "m=http://a.test:2380,0=http://b.test:2380", ""},
		{"two", "", "http://b.test:2380", "0=http://a.test:2380,m=http://b.test:2380", ""},
		{"one", "x", "http://b.test:2380", "m=http://b.test:2380", ""},
		{"ssl", "", "https://a.test:2380", "m=https://a.test:2380,0=https://b.test:2380", ""},
		{"both", "", "http://a.test:2380", "0=https://b.test:2380,m=http://a.test:2380", ""},
		{"ports", "", "http://a.test:2380", "m=http://a.test:2380,0=http://a.test:2390", ""},
		// etcd gives c and b the same name, and so makes one member of them.
		{"mixed", "", "http://a.test:2380", "0=https://c.test:2380,m=http://a.test:2380,1=http://b.test:2380", ""},
		// etcd leaves out the host without an address, and founds a cluster of one.
		{"late", "", "http://a.test:2380", "m=http://a.test:2380,0=http://late.test:2380", ""},
		{"one", "", "http://b.test:2380", "", `cannot find local etcd member "m" in SRV records`},
		{"ssl", "", "http://a.test:2380", "", `cannot find local etcd member "m" in SRV records`},
		{"one", "", "http://a.test:2390", "", `cannot find local etcd member "m" in SRV records`},
		{"none", "", "http://a.test:2380", "", "error querying DNS SRV records for _etcd-server-ssl lookup _etcd-server-ssl._tcp.none"},
		{"none", "y", "http://a.test:2380", "", "error querying DNS SRV records for _etcd-server-y lookup _etcd-server-y._tcp.none"},
	} {
		srv := discovery.SRV{Domain: tt.domain, Name: tt.name, Resolver: server.Resolver()}
		got, err := srv.Founders(t.Context(), discovery.Self{Name: "m", PeerURLs: []string{tt.own}})
		switch {
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s as %s: got %q, %v, want %q", tt.domain, tt.own, got, err, tt.wrong)
		case tt.wrong == "" && (err != nil || !sameList(got, tt.want)):
			t.Errorf("%s as %s: got %q, %v, want %q", tt.domain, tt.own, got, err, tt.want)
		}
	}
}

// sameList compares without regard to numbers and order: records of the same priority come in any.
func sameList(a, b string) bool {
	count := map[string]int{}
	for sign, list := range map[int]string{1: a, -1: b} {
		for pair := range strings.SplitSeq(list, ",") {
			name, url, _ := strings.Cut(pair, "=")
			if name != "m" {
				name = "other"
			}
			count[name+"="+url] += sign
		}
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return a != ""
}
