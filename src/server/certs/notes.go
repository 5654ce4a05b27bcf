package certs

import (
	"fmt"
	"net/url"
	"os"
	"runtime"

	"go.uber.org/zap"

	"quoin.dev/server/config"
)

// openToOthers are the permissions that let others than the owner and the group of a file read it, or anybody else change it.
const openToOthers = 0o027

// info has the form that etcd logs.
func info(f config.TLSFiles) string {
	return fmt.Sprintf("cert = %s, key = %s, client-cert=%s, client-key=%s, trusted-ca = %s, client-cert-auth = %v, crl-file = %s",
		f.CertFile, f.KeyFile, f.ClientCertFile, f.ClientKeyFile, f.TrustedCAFile, f.ClientCertAuth, f.CRLFile)
}

// noteIgnored says which URLs are served without what the flags ask for.
func (c *Certs) noteIgnored(name string, f config.TLSFiles, listen []url.URL) {
	for _, u := range listen {
		if u.Scheme != "http" && u.Scheme != "unix" {
			continue
		}
		if !f.Empty() {
			c.log.Warn("scheme is http or unix while key and cert files are present; ignoring key and cert files", zap.String(name+"-url", u.String()))
		}
		if f.ClientCertAuth {
			c.log.Warn("scheme is http or unix while --client-cert-auth is enabled; ignoring client cert auth for this URL", zap.String(name+"-url", u.String()))
		}
	}
	if f.CRLFile != "" && f.TrustedCAFile == "" && !f.ClientCertAuth {
		c.log.Warn("revoked certificates are not looked for, since none has to be shown", zap.String("endpoint", name), zap.String("crl-file", f.CRLFile))
	}
}

// noteReadable warns about a key that is not kept from others (CVE-2020-15113).
func (c *Certs) noteReadable(key string) {
	stat, err := os.Stat(key)
	if err != nil || runtime.GOOS == "windows" || stat.Mode().Perm()&openToOthers == 0 {
		return
	}
	c.log.Warn("other users can read or change the key of a certificate; its permissions should be -rw-------",
		zap.String("path", key), zap.Stringer("permissions", stat.Mode().Perm()))
}
