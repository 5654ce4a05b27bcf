package config

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestTLSBase(t *testing.T) {
	c, err := Security{}.TLSBase()
	if err != nil || c.MinVersion != tls.VersionTLS12 || c.MaxVersion != 0 || c.CipherSuites != nil {
		t.Errorf("without settings: %+v, %v", c, err)
	}
	c, err = Security{TLSMinVersion: "TLS1.2", TLSMaxVersion: "TLS1.2", CipherSuites: []string{"tls_ecdhe_rsa_with_aes_128_gcm_sha256"}}.TLSBase()
	if err != nil || c.MaxVersion != tls.VersionTLS12 || !slices.Equal(c.CipherSuites, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}) {
		t.Errorf("with settings: %+v, %v", c, err)
	}
}

// GHSA-5x4g-q5rc-36jp: etcd offers a weak suite when it is asked to.
func TestWeakSuitesAreRefused(t *testing.T) {
	for _, suite := range tls.InsecureCipherSuites() {
		if _, err := (Security{CipherSuites: []string{suite.Name}}).TLSBase(); err == nil {
			t.Errorf("%s is offered", suite.Name)
		}
	}
}
