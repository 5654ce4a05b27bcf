package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/tools/bench/proc"
)

const (
	scrapes     = 50 // that are measured, after some that are not
	firstScrape = 5
	idleTime    = 10 * time.Second
)

// secure makes a certificate, and the member show it and ask for it.
func (m *member) secure() error {
	m.access.Cert, m.access.Key = filepath.Join(m.dir, "cert.pem"), filepath.Join(m.dir, "key.pem")
	if err := writeCertificate(m.access.Cert, m.access.Key); err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	for i, a := range m.args {
		if strings.HasPrefix(a, "--listen-client-urls=") || strings.HasPrefix(a, "--advertise-client-urls=") {
			m.args[i] = strings.Replace(a, "http://", "https://", 1)
		}
	}
	m.args = append(m.args, "--cert-file="+m.access.Cert, "--key-file="+m.access.Key, "--client-cert-auth", "--trusted-ca-file="+m.access.Cert)
	return nil
}

// writeCertificate writes one that vouches for itself, for loopback.
func writeCertificate(cert, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"quoin bench"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600)
}

// guard gives the load a user of its own, who may read and write all of its keys and nothing else.
func (m *member) guard(ctx context.Context) error {
	cl, err := m.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	const role, name, password = "load", "load", "load"
	steps := []func() error{
		func() error { _, err := cl.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := cl.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := cl.RoleAdd(ctx, role); return err },
		func() error {
			_, err := cl.RoleGrantPermission(ctx, role, "/bench/", "/bench0", client.PermissionType(client.PermReadWrite))
			return err
		},
		func() error { _, err := cl.UserAdd(ctx, name, password); return err },
		func() error { _, err := cl.UserGrantRole(ctx, name, role); return err },
		func() error { _, err := cl.AuthEnable(ctx); return err },
		func() error {
			r, err := cl.Authenticate(ctx, name, password)
			if err == nil {
				m.access.Token = r.Token
			}
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("making users: %w", err)
		}
	}
	return nil
}

// idle is what a member costs that nobody uses.
func (r *runner) idle(ctx context.Context, m *member) (values, error) {
	v, err := r.memory(ctx, m, 0)
	if err != nil {
		return nil, err
	}
	before, err := proc.CPU(m.pid())
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, idleTime); err != nil {
		return nil, err
	}
	after, err := proc.CPU(m.pid())
	if err != nil {
		return nil, err
	}
	v[metricIdle] = milliseconds(after-before) / idleTime.Seconds()
	return v, nil
}

// scrape reads the metrics again and again and takes the median of the times.
func (r *runner) scrape(ctx context.Context, m *member) (values, error) {
	var times []float64
	var size int64
	for n := range firstScrape + scrapes {
		began := time.Now()
		var err error
		if size, err = get(ctx, "http://"+m.address+"/metrics"); err != nil {
			return nil, err
		}
		if n >= firstScrape {
			times = append(times, milliseconds(time.Since(began)))
		}
	}
	return values{metricScrape: median(times), metricScraped: float64(size) / (1 << 10)}, nil
}

func get(ctx context.Context, url string) (bytes int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.Copy(io.Discard, answer.Body)
}
