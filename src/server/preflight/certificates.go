package preflight

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"quoin.dev/server/certs"
	"quoin.dev/server/config"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// certificates opens what the ports are secured with.
func (r *report) certificates() {
	s := r.cfg.Security
	// Certificates that a start makes itself are not made here.
	if s.ClientTLS.Auto {
		r.add(OK, "auto-tls", "", "a start makes a certificate for the client port, unless it finds one")
	}
	if s.PeerTLS.Auto {
		r.add(OK, "peer-auto-tls", "", "a start makes a certificate for the peer port, unless it finds one")
	}
	client, peer := certs.Check(s)
	r.usable("client TLS", client)
	r.usable("peer TLS", peer)
	r.files("", s.ClientTLS, r.cfg.Cluster.AdvertiseClientURLs, false)
	r.files("peer-", s.PeerTLS, r.cfg.Cluster.InitialAdvertisePeerURLs, true)
}

func (r *report) usable(subject string, err error) {
	if err != nil {
		r.add(Problem, subject, "look at the path, and at who may read the file", "%v", err)
	}
}

// files looks at the certificates of one port, which is reached by the given URLs. Members call each other, so theirs have to do
// for that as well.
func (r *report) files(prefix string, f config.TLSFiles, urls []url.URL, calls bool) {
	roots := r.roots(prefix+"trusted-ca-file", f.TrustedCAFile)
	if leaf := r.leaf(prefix+"cert-file", f.CertFile, f.KeyFile); leaf != nil {
		r.validity(prefix+"cert-file", leaf)
		r.names(prefix+"cert-file", leaf, urls)
		r.usage(prefix+"cert-file", leaf, x509.ExtKeyUsageServerAuth, "for servers")
		if calls && f.ClientCertFile == "" {
			r.usage(prefix+"cert-file", leaf, x509.ExtKeyUsageClientAuth, "for clients, and members show it when they call each other")
			r.signed(prefix+"cert-file", leaf, roots)
		}
	}
	if leaf := r.leaf(prefix+"client-cert-file", f.ClientCertFile, f.ClientKeyFile); leaf != nil {
		r.validity(prefix+"client-cert-file", leaf)
		r.usage(prefix+"client-cert-file", leaf, x509.ExtKeyUsageClientAuth, "for clients")
	}
}

// leaf opens a certificate with its key; nil if there is none, or it was complained about.
func (r *report) leaf(flag, cert, key string) *x509.Certificate {
	if cert == "" || key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || pair.Leaf == nil {
		return nil // the port can not be opened with it, which has been said
	}
	if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o077 != 0 && hasModes {
		r.add(Warning, strings.TrimSuffix(flag, "cert-file")+"key-file", "chmod 0600 "+key, "%s is open to others (mode %04o)", key, info.Mode().Perm())
	}
	return pair.Leaf
}

func (r *report) roots(flag, path string) *x509.CertPool {
	if path == "" {
		return nil
	}
	pem, err := os.ReadFile(path)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		r.add(Problem, flag, "look at the path, and at who may read the file", "%s can not be read, or holds no certificate", path)
		return nil
	}
	return pool
}

func (r *report) validity(flag string, leaf *x509.Certificate) {
	until := leaf.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case r.now.After(leaf.NotAfter):
		r.add(Problem, flag, "renew it", "the certificate ended at %s", until)
	case r.now.Before(leaf.NotBefore):
		r.add(Problem, flag, "look at the clock of this machine", "the certificate begins at %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case r.now.Add(soon).After(leaf.NotAfter):
		r.add(Warning, flag, "renew it; the file is read again without a restart", "the certificate ends at %s", until)
	default:
		r.add(OK, flag, "", "the certificate of %q is valid until %s", leaf.Subject.CommonName, until)
	}
}

// names wants the certificate to carry the hosts that others are told.
func (r *report) names(flag string, leaf *x509.Certificate, urls []url.URL) {
	for _, u := range urls {
		if u.Scheme != "https" {
			continue
		}
		if err := leaf.VerifyHostname(u.Hostname()); err != nil {
			r.add(Warning, flag, "make one with that name, or advertise another", "the certificate does not carry %s, by which others call this member", u.Hostname())
		}
	}
}

func (r *report) usage(flag string, leaf *x509.Certificate, wanted x509.ExtKeyUsage, what string) {
	if len(leaf.ExtKeyUsage) == 0 || slices.Contains(leaf.ExtKeyUsage, wanted) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return
	}
	r.add(Problem, flag, "make one with that extended key usage", "the certificate is not made %s", what)
}

// signed wants the certificate that a member shows to be one that members of the same settings take.
func (r *report) signed(flag string, leaf *x509.Certificate, roots *x509.CertPool) {
	if roots == nil {
		return
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: leaf.NotBefore.Add(time.Second), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		r.add(Warning, flag, "use certificates of one authority, or put the intermediate ones into the files", "the members' own authorities have not signed the certificate: %v", err)
	}
}
