package certs

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"
)

const (
	// renewBefore is how long before its end a certificate is replaced that a member has made itself.
	renewBefore = 30 * 24 * time.Hour
	serialBits  = 128
)

// selfSigned is a certificate that this member makes for a port, with the names that etcd gives the files.
type selfSigned struct {
	dir   string
	hosts []string
	years uint
	log   *zap.Logger
}

func newSelfSigned(dir string, urls []url.URL, years uint, log *zap.Logger) *selfSigned {
	s := &selfSigned{dir: dir, years: years, log: log}
	for _, u := range urls {
		if host := cmp.Or(u.Hostname(), "localhost"); !slices.Contains(s.hosts, host) {
			s.hosts = append(s.hosts, host)
		}
	}
	return s
}

func (s *selfSigned) cert() string { return filepath.Join(s.dir, "cert.pem") }
func (s *selfSigned) key() string  { return filepath.Join(s.dir, "key.pem") }

// keep makes the certificate unless there is one that holds for a while.
func (s *selfSigned) keep() error {
	pair, err := tls.LoadX509KeyPair(s.cert(), s.key())
	switch {
	case err == nil && time.Until(pair.Leaf.NotAfter) > renewBefore:
		return nil
	case err == nil:
		s.log.Warn("the certificate that this member made itself is about to end, making another one",
			zap.String("path", s.cert()), zap.Time("not-after", pair.Leaf.NotAfter))
	case !errors.Is(err, os.ErrNotExist):
		s.log.Warn("the certificate that this member made itself can not be used, making another one", zap.Error(err))
	}
	if err := s.make(); err != nil {
		return fmt.Errorf("make a certificate in %s: %w", s.dir, err)
	}
	return nil
}

func (s *selfSigned) make() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits))
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"quoin"}},
		NotBefore: now, NotAfter: now.AddDate(int(s.years), 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		// Its own authority, so that a client can be given the file as the one that it trusts.
		IsCA: true, BasicConstraintsValid: true,
	}
	for _, host := range s.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	s.log.Warn("automatically generate certificates", zap.Time("certificate-validity-bound-not-after", template.NotAfter))
	if err := replace(s.cert(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return err
	}
	s.log.Info("created cert file", zap.String("path", s.cert()))
	if err := replace(s.key(), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})); err != nil {
		return err
	}
	s.log.Info("created key file", zap.String("path", s.key()))
	return nil
}

// replace puts a file in its place as a whole; nobody else may read it.
func replace(file string, content []byte) error {
	if err := os.WriteFile(file+".tmp", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}
