package command

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
)

func TestDiscovery(t *testing.T) {
	noRecord := errors.New("no such host")
	records := map[string][]*net.SRV{
		"_etcd-client-ssl._tcp.example.com": {{Target: "a.example.com.", Port: 2379}, {Target: "b.example.com.", Port: 1}},
		"_etcd-client._tcp.example.com":     {{Target: "c.example.com.", Port: 2379}},
		"_etcd-client-x._tcp.example.com":   {{Target: "d.example.com", Port: 2379}},
	}
	dns := func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
		full := "_" + service + "._" + proto + "." + name
		found, ok := records[full]
		if !ok {
			return "", nil, errors.New("lookup " + full + ": " + noRecord.Error())
		}
		return full, found, nil
	}
	for _, c := range []struct {
		flags globalFlags
		want  []string
		err   string
	}{
		{flags: globalFlags{endpoints: []string{"e"}}, want: []string{"e"}},
		{
			flags: globalFlags{endpoints: []string{"e"}, discoverySRV: "example.com", insecureDiscovery: true},
			want:  []string{"https://a.example.com:2379", "https://b.example.com:1", "http://c.example.com:2379"},
		},
		{
			flags: globalFlags{discoverySRV: "example.com"},
			want:  []string{"https://a.example.com:2379", "https://b.example.com:1"},
		},
		{
			flags: globalFlags{discoverySRV: "example.com", discoverySRVName: "x", insecureDiscovery: true},
			want:  []string{"http://d.example.com:2379"},
		},
		{
			flags: globalFlags{discoverySRV: "none", insecureDiscovery: true},
			err: "dns lookup errors: lookup _etcd-client-ssl._tcp.none: no such host" +
				" and lookup _etcd-client._tcp.none: no such host",
		},
	} {
		got, err := c.flags.resolveEndpoints(context.Background(), dns)
		if text := errorText(err); text != c.err || !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %v, error %q", c.flags, got, text)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
