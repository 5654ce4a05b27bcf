package command

import (
	"time"

	"github.com/spf13/pflag"
)

// globalFlags apply to every command. Each is also read from ETCDCTL_<NAME>.
type globalFlags struct {
	endpoints []string

	dialTimeout      time.Duration
	commandTimeout   time.Duration
	keepAliveTime    time.Duration
	keepAliveTimeout time.Duration
	maxRequestBytes  int
	maxRecvBytes     int

	insecureTransport     bool
	insecureSkipTLSVerify bool
	caFile                string
	certFile              string
	keyFile               string

	user     string
	password string
	token    string

	discoverySRV      string
	discoverySRVName  string
	insecureDiscovery bool

	writeOut string
	hex      bool
	debug    bool
}

func (g *globalFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&g.endpoints, "endpoints", []string{"127.0.0.1:2379"},
		"members to talk to, separated by commas: host:port or a URL")
	fs.DurationVar(&g.dialTimeout, "dial-timeout", 2*time.Second, "longest wait for a connection and for a token")
	fs.DurationVar(&g.commandTimeout, "command-timeout", 5*time.Second, "longest wait for the answer to a request")
	fs.DurationVar(&g.keepAliveTime, "keepalive-time", 2*time.Second,
		"silence after which a connection is checked; the transport allows 10s at least")
	fs.DurationVar(&g.keepAliveTimeout, "keepalive-timeout", 6*time.Second,
		"wait for the answer to such a check before the connection is given up")
	fs.IntVar(&g.maxRequestBytes, "max-request-bytes", 0, "largest request to send, in bytes (0: 2 MiB)")
	fs.IntVar(&g.maxRecvBytes, "max-recv-bytes", 0, "largest response to take, in bytes (0: 2 GiB)")

	fs.BoolVar(&g.insecureTransport, "insecure-transport", true,
		"talk in plain text unless a TLS flag or an https endpoint is given; false requires TLS")
	fs.BoolVar(&g.insecureSkipTLSVerify, "insecure-skip-tls-verify", false,
		"use TLS and accept any certificate of the server (for tests: anybody can pose as the server)")
	fs.StringVar(&g.caFile, "cacert", "", "file of CA certificates (PEM) that vouch for the server")
	fs.StringVar(&g.certFile, "cert", "", "file of the certificate (PEM) that this client shows; needs --key")
	fs.StringVar(&g.keyFile, "key", "", "file of the private key (PEM) for --cert")

	fs.StringVar(&g.user, "user", "", "user as name or name:password; without a password it is asked for")
	fs.StringVar(&g.password, "password", "", "password of --user, which then is the name alone")
	fs.StringVar(&g.token, "auth-jwt-token", "", "token to send instead of a user and password")

	fs.StringVarP(&g.discoverySRV, "discovery-srv", "d", "", "domain whose DNS SRV records list the members")
	fs.StringVar(&g.discoverySRVName, "discovery-srv-name", "", "suffix of the service name in those records")
	fs.BoolVar(&g.insecureDiscovery, "insecure-discovery", true, "also use records of members that speak plain text")

	fs.StringVarP(&g.writeOut, "write-out", "w", "simple", "output format: fields, json, protobuf, simple, table or yaml")
	fs.BoolVar(&g.hex, "hex", false, "write keys and values (simple) or ids (fields, member list) in hexadecimal")
	fs.BoolVar(&g.debug, "debug", false, "write the settings and what the connections do to stderr")
}

// visible copies flags so that they show in a usage text although they are hidden in those of the commands.
func visible(fs *pflag.FlagSet) *pflag.FlagSet {
	shown := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.VisitAll(func(f *pflag.Flag) {
		c := *f
		c.Hidden = false
		shown.AddFlag(&c)
	})
	return shown
}
