package command_test

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"quoin.dev/pkg/tlsfiles/certtest"
)

func TestTLS(t *testing.T) {
	authority, other := certtest.New(t, "ca"), certtest.New(t, "other")
	leaf := authority.Issue("test")
	cert, err := tls.LoadX509KeyPair(leaf.Cert, leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Cert)
	s := startServer(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.VerifyClientCertIfGiven,
	})))
	strict := startServer(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	ca := " --cacert=" + authority.CA()
	pair := " --cert=" + leaf.Cert + " --key=" + leaf.Key
	const late = "Error: context deadline exceeded\n"
	for _, c := range []struct {
		server *server
		scheme string
		flags  string
		code   int
		stderr string
	}{
		{server: s, scheme: "https://", flags: ca},
		{server: s, flags: ca},
		{server: s, flags: " --insecure-skip-tls-verify"},
		{server: s, scheme: "https://", flags: " --insecure-skip-tls-verify --insecure-transport=false"},
		{server: strict, flags: ca + pair},
		{server: strict, flags: ca, code: 1, stderr: late},
		{server: s, flags: " --cacert=" + other.CA(), code: 1, stderr: late},
		{server: s, flags: " --insecure-transport=false", code: 1, stderr: late},
		{server: s, scheme: "https://", code: 1, stderr: late},
		{server: s, scheme: "http://", code: 1, stderr: late},
		{
			server: s, flags: " --cacert=" + leaf.Key, code: 128,
			stderr: "Error: " + leaf.Key + ": no certificate in PEM form\n",
		},
	} {
		line := "get k --endpoints=" + c.scheme + c.server.address + c.flags
		if c.code == 1 {
			line += " --command-timeout=300ms"
		}
		r := runWith(nil, "", strings.Fields(line)...)
		if r.code != c.code || r.stderr != c.stderr || r.code == 0 && r.stdout != "k\nv\n" {
			t.Errorf("%s: %+v", line, r)
		}
	}
}
