package preflight

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"quoin.dev/server/config"
)

// check looks at a command line; the data directory is a new one unless a flag names another.
func check(t *testing.T, args ...string) []Finding {
	t.Helper()
	args = append([]string{"--name=a", "--data-dir=" + filepath.Join(t.TempDir(), "data"), "--listen-peer-urls=http://127.0.0.1:0", "--check-config"}, args...)
	_, err := config.ParseFrom(args, config.Sources{ReadFile: os.ReadFile})
	var request *config.CheckRequest
	if !errors.As(err, &request) {
		t.Fatalf("%q: got %v", args, err)
	}
	return Check(t.Context(), request.Config, request.Err)
}

// about is what was found, but for what is well.
func about(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		if f.Level > OK {
			lines = append(lines, f.Level.String()+" "+f.Subject+": "+f.Text)
		}
	}
	return strings.Join(lines, "\n")
}

func TestNothingIsWrongAndNothingIsWritten(t *testing.T) {
	w := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "data")
	found := check(t, "--data-dir="+dir)
	w.Expect(about(found)).To(BeEmpty())
	_, err := os.Stat(dir)
	w.Expect(err).To(MatchError(fs.ErrNotExist))
	var out bytes.Buffer
	w.Expect(Report(&out, found)).To(BeZero())
	w.Expect(out.String()).To(HaveSuffix("ok, 0 warnings, 0 problems\n"))
}

func TestWhatIsFound(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	NewWithT(t).Expect(os.WriteFile(file, []byte("x"), 0o600)).To(Succeed())
	open := t.TempDir()
	NewWithT(t).Expect(os.Chmod(open, 0o755)).To(Succeed())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--heartbeat-interval=0"}, "problem settings: --heartbeat-interval must be >0"},
		{[]string{"--config-file=/nonexistent/file"}, "problem settings: open /nonexistent/file"},
		{[]string{"--unsafe-no-fsync"}, "warning settings: writes are acknowledged before they are on disk"},
		{[]string{"--data-dir=" + file}, "problem data-dir: " + file + " is a file"},
		{[]string{"--data-dir=" + file + "/below"}, "problem data-dir: "},
		{[]string{"--data-dir=" + open}, "warning data-dir: " + open + " is open to others (mode 0755)"},
		{[]string{"--listen-peer-urls=http://" + taken.Addr().String()}, "warning listen-peer-urls: http://" + taken.Addr().String() + " is in use"},
		{[]string{"--listen-peer-urls=http://192.0.2.1:1"}, "problem listen-peer-urls: http://192.0.2.1:1: this machine has no such address"},
		{[]string{"--listen-peer-urls=unix:///nonexistent/s"}, "problem listen-peer-urls: the socket of unix:///nonexistent/s can not be made"},
		{[]string{"--initial-cluster=b=http://127.0.0.1:1"}, `problem initial-cluster: this member, "a", is not among b`},
		{[]string{"--initial-cluster=a=http://127.0.0.1:1"}, "warning initial-cluster: the list has http://127.0.0.1:1 for this member"},
		{[]string{"--initial-cluster=a=http://localhost:2380,b=http://127.0.0.1:1"}, "warning initial-cluster: 2 members survive no more failures than 1"},
		{[]string{"--initial-cluster=a=http://localhost:2380,b=http://127.0.0.1:1"}, "warning initial-advertise-peer-urls: http://localhost:2380 means another machine"},
		{[]string{"--initial-cluster=a=http://localhost:2380,b=http://localhost:2380"}, "problem initial-cluster: two members have the same URL"},
		{[]string{"--advertise-client-urls=http://0.0.0.0:1"}, "warning advertise-client-urls: http://0.0.0.0:1 can not be called"},
		{[]string{"--log-outputs=/nonexistent/log"}, "problem log-outputs: /nonexistent/log can not be written"},
		{[]string{"--audit-log=/nonexistent/log"}, "problem audit-log: /nonexistent/log can not be written"},
		{[]string{"--auth-token=jwt,sign-method=RS256,pub-key=/nonexistent"}, "problem auth-token: auth: invalid auth options: open /nonexistent"},
		{[]string{"--cert-file=" + file, "--key-file=" + file}, "problem client TLS: " + file + ", " + file + ": tls: failed to find any PEM data"},
		{[]string{"--cert-file=/nonexistent", "--key-file=/nonexistent"}, "problem client TLS: open /nonexistent"},
		{[]string{"--peer-trusted-ca-file=" + file}, "problem peer-trusted-ca-file: " + file + " can not be read, or holds no certificate"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			w := NewWithT(t)
			found := check(t, tt.args...)
			w.Expect(about(found)).To(ContainSubstring(tt.want))
			want := 0
			if strings.HasPrefix(tt.want, "problem") {
				want = 1
			}
			var out bytes.Buffer
			w.Expect(Report(&out, found)).To(Equal(want))
		})
	}
}

// The founders do not matter to a member that has data.
func TestMemberThatReturns(t *testing.T) {
	w := NewWithT(t)
	dir := t.TempDir()
	w.Expect(os.MkdirAll(filepath.Join(dir, "member", "wal"), 0o700)).To(Succeed())
	w.Expect(os.Chmod(dir, 0o700)).To(Succeed())
	w.Expect(os.WriteFile(filepath.Join(dir, "member", "wal", "0.wal"), nil, 0o600)).To(Succeed())
	w.Expect(about(check(t, "--data-dir="+dir, "--initial-cluster=b=http://127.0.0.1:1"))).NotTo(ContainSubstring("initial-cluster:"))
}

// certify writes a certificate that signs itself, and its key.
func certify(t *testing.T, adapt func(*x509.Certificate)) (cert, key string) {
	t.Helper()
	w := NewWithT(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.Expect(err).NotTo(HaveOccurred())
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "m"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	adapt(c)
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	w.Expect(err).NotTo(HaveOccurred())
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	w.Expect(err).NotTo(HaveOccurred())
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	w.Expect(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)).To(Succeed())
	w.Expect(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600)).To(Succeed())
	return cert, key
}

func TestCertificates(t *testing.T) {
	for want, adapt := range map[string]func(*x509.Certificate){
		"": func(*x509.Certificate) {},
		"problem peer-cert-file: the certificate ended at":     func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		"warning peer-cert-file: the certificate ends at":      func(c *x509.Certificate) { c.NotAfter = time.Now().Add(24 * time.Hour) },
		"problem peer-cert-file: the certificate begins at":    func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) },
		"warning peer-cert-file: the certificate does not car": func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere"} },
		"problem peer-cert-file: the certificate is not made for clients": func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		},
		"problem peer-cert-file: the certificate is not made for servers": func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		},
	} {
		w := NewWithT(t)
		cert, key := certify(t, adapt)
		found := check(t, "--listen-peer-urls=https://127.0.0.1:0", "--initial-advertise-peer-urls=https://localhost:1", "--peer-cert-file="+cert, "--peer-key-file="+key, "--peer-trusted-ca-file="+cert)
		if want == "" {
			w.Expect(about(found)).To(BeEmpty())
			continue
		}
		w.Expect(about(found)).To(ContainSubstring(want))
	}
	w := NewWithT(t)
	cert, key := certify(t, func(*x509.Certificate) {})
	other, _ := certify(t, func(*x509.Certificate) {})
	w.Expect(os.Chmod(key, 0o644)).To(Succeed())
	found := about(check(t, "--peer-cert-file="+cert, "--peer-key-file="+key, "--peer-trusted-ca-file="+other))
	w.Expect(found).To(ContainSubstring("warning peer-key-file: " + key + " is open to others"))
	w.Expect(found).To(ContainSubstring("warning peer-cert-file: the members' own authorities have not signed the certificate"))
}
