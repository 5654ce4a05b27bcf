package config

import (
	"time"

	"quoin.dev/server/audit"
	"quoin.dev/server/auth/token"
)

func registerSecurity(r *registrar, c *Config) {
	s := &c.Security
	r.section("Security")
	r.str(&s.ClientTLS.CertFile, "cert-file", "", "Certificate of the client port. This and all other TLS files may be replaced while the member runs.")
	r.str(&s.ClientTLS.KeyFile, "key-file", "", "Key of the client port.")
	r.str(&s.ClientTLS.ClientCertFile, "client-cert-file", "", "Certificate that this member shows when it is a client itself. Empty: --cert-file.")
	r.str(&s.ClientTLS.ClientKeyFile, "client-key-file", "", "Key to --client-cert-file.")
	r.bool(&s.ClientTLS.ClientCertAuth, "client-cert-auth", false, "Clients must show a certificate signed by --trusted-ca-file.")
	r.str(&s.ClientTLS.CRLFile, "client-crl-file", "", "Revocation lists, PEM or DER: client certificates on them are refused.")
	r.strings(&s.ClientTLS.AllowedHostnames, "client-cert-allowed-hostname", "Host names of which a client certificate must carry one.")
	r.str(&s.ClientTLS.TrustedCAFile, "trusted-ca-file", "", "CA certificates that client certificates are checked against; with them every client must show one.")
	r.bool(&s.ClientTLS.Auto, "auto-tls", false, "Make a self-signed certificate for the client port, in DATA-DIR/fixtures/client.")
	r.str(&s.PeerTLS.CertFile, "peer-cert-file", "", "Certificate of the peer port, also shown to other members unless --peer-client-cert-file is given.")
	r.str(&s.PeerTLS.KeyFile, "peer-key-file", "", "Key of the peer port.")
	r.str(&s.PeerTLS.ClientCertFile, "peer-client-cert-file", "", "Certificate shown to other members. Empty: --peer-cert-file.")
	r.str(&s.PeerTLS.ClientKeyFile, "peer-client-key-file", "", "Key to --peer-client-cert-file.")
	r.bool(&s.PeerTLS.ClientCertAuth, "peer-client-cert-auth", false, "Members must show a certificate signed by --peer-trusted-ca-file.")
	r.str(&s.PeerTLS.TrustedCAFile, "peer-trusted-ca-file", "", "CA certificates that other members are checked against; with them every member must show a certificate.")
	r.strings(&s.PeerTLS.AllowedCNs, "peer-cert-allowed-cn", "Common names of which a member's certificate must carry one.")
	r.strings(&s.PeerTLS.AllowedHostnames, "peer-cert-allowed-hostname", "Host names of which a member's certificate must carry one.")
	r.str(&s.PeerTLS.CRLFile, "peer-crl-file", "", "Revocation lists, PEM or DER: certificates of members on them are refused.")
	r.bool(&s.PeerTLS.SkipClientSANVerify, "peer-skip-client-san-verification", false, "Do not compare the addresses and names in a member's certificate with the address that it connects from.")
	r.bool(&s.PeerTLS.Auto, "peer-auto-tls", false, "Make a self-signed certificate for the peer port, in DATA-DIR/fixtures/peer. Nobody is authenticated by it.")
	r.uint(&s.SelfSignedCertValidity, "self-signed-cert-validity", 1, "Years that self-signed certificates are valid. They are renewed a month before their end.")
	r.strings(&s.CipherSuites, "cipher-suites", "TLS 1.2 cipher suites to offer; insecure ones are refused. Empty: Go's secure ones.")
	r.str(&s.TLSMinVersion, "tls-min-version", "TLS1.2", "Oldest TLS version: TLS1.2 or TLS1.3.")
	r.str(&s.TLSMaxVersion, "tls-max-version", "", "Newest TLS version. Empty: the newest that Go knows.")
	r.value((*originList)(&c.HTTP.CORS), "cors", `Origins that browsers may call from; "*" for all.`)
	r.uniqueStrings(&c.HTTP.HostWhitelist, "host-whitelist", "*", `Host names accepted in HTTP requests without TLS; "*" for all.`)

	r.section("Authentication")
	r.str(&s.AuthToken, "auth-token", "simple", `Kind of tokens: "simple", known to this cluster until it is restarted; or
        "jwt,sign-method=METHOD,pub-key=FILE,priv-key=FILE,ttl=5m", signed ones, with a method of RS256, RS384, RS512,
        PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, HS256, HS384, HS512. pub-key alone verifies what others sign. The
        files are read again when they change, and pub-key may hold several keys, so that keys can be replaced while
        members run. Empty: no tokens, users have certificates.`)
	s.AuthTokenTTL = token.DefaultSimpleTTL
	r.value((*seconds)(&s.AuthTokenTTL), "auth-token-ttl", "Seconds that an unused simple token lives. 0: 300.")
	r.uint(&s.BcryptCost, "bcrypt-cost", 10, "Cost of password hashes, 4 to 31.")
	r.str(&c.Audit.Path, "audit-log", "", `Where to write down who asked for what, and whether it was allowed, as a line of JSON each: a file, or "stderr". Values, passwords and tokens are left out. Empty: nowhere. Not in etcd.`)
	r.str((*string)(&c.Audit.Level), "audit-log-level", string(audit.LevelWrites), `What to write there: "denied" requests; "writes", which also has changes, logins and snapshots; or "all".`)
	r.str(&c.Audit.RotationJSON, "audit-log-rotation-config-json", defaultRotation, "When to put the file of --audit-log aside, as for --log-rotation-config-json.")
}

func registerDiscovery(r *registrar, c *Config) {
	d := &c.Discovery
	r.section("Discovery")
	r.str(&d.SRV, "discovery-srv", "", "DNS domain whose SRV records name the founding members.")
	r.str(&d.SRVName, "discovery-srv-name", "", "Suffix of the SRV record names.")
	r.str(&d.Token, "discovery-token", "", "Token of this cluster in the discovery cluster.")
	r.uniqueStrings(&d.Endpoints, "discovery-endpoints", "", "Endpoints of a cluster through which the founding members find each other.")
	r.duration(&d.DialTimeout, "discovery-dial-timeout", 2*time.Second, "How long to try to connect to the discovery cluster.")
	r.duration(&d.RequestTimeout, "discovery-request-timeout", 5*time.Second, "How long to wait for an answer of the discovery cluster.")
	r.duration(&d.KeepAliveTime, "discovery-keepalive-time", 2*time.Second, "Interval of pings to the discovery cluster.")
	r.duration(&d.KeepAliveTimeout, "discovery-keepalive-timeout", 6*time.Second, "How long to wait for the answer to such a ping.")
	r.bool(&d.InsecureTransport, "discovery-insecure-transport", true, "Talk to the discovery cluster without TLS.")
	r.bool(&d.InsecureSkipTLSVerify, "discovery-insecure-skip-tls-verify", false, "Do not check the discovery cluster's certificate.")
	r.str(&d.CertFile, "discovery-cert", "", "Certificate shown to the discovery cluster.")
	r.str(&d.KeyFile, "discovery-key", "", "Key to --discovery-cert.")
	r.str(&d.CAFile, "discovery-cacert", "", "CA certificates that the discovery cluster is checked against.")
	r.str(&d.User, "discovery-user", "", "User name in the discovery cluster.")
	r.str(&d.Password, "discovery-password", "", "Password in the discovery cluster.")
	d.Fallback = "exit"
	r.value(choice{&d.Fallback, []string{"exit", "proxy"}, refuseShort}, "discovery-fallback", `What to do when discovery fails; only "exit" is left.`)
}
