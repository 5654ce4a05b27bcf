package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"quoin.dev/server/auth"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// keys are made once, since those of RSA take long.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	_, ed := must2(ed25519.GenerateKey(rand.Reader))
	return map[string]crypto.Signer{
		"rsa":   must(rsa.GenerateKey(rand.Reader, 2048)),
		"other": must(rsa.GenerateKey(rand.Reader, 2048)),
		"256":   must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"384":   must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"512":   must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"ed":    ed,
	}
})

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func private(k string) string {
	return pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(keys()[k])))
}

func public(k string) string {
	return pemOf("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(keys()[k].Public())))
}

func certificate(k string) string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, NotAfter: time.Now().Add(time.Hour)}
	return pemOf("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, template, template, keys()[k].Public(), keys()[k])))
}

// files are the paths of keys in a directory of the test.
type files struct{ public, private string }

func keep(t *testing.T, public, private string) files {
	t.Helper()
	dir := t.TempDir()
	f := files{}
	if public != "" {
		f.public = filepath.Join(dir, "pub")
		write(t, f.public, public)
	}
	if private != "" {
		f.private = filepath.Join(dir, "priv")
		write(t, f.private, private)
	}
	return f
}

func write(t *testing.T, path, content string) {
	t.Helper()
	NewWithT(t).Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
}

func (f files) option(method string) string {
	text := "jwt,sign-method=" + method
	if f.public != "" {
		text += ",pub-key=" + f.public
	}
	if f.private != "" {
		text += ",priv-key=" + f.private
	}
	return text
}

func startSigned(t *testing.T, option string, logger *zap.Logger) *signed {
	t.Helper()
	w := NewWithT(t)
	o, err := Parse(option)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(o.CheckFiles()).To(Succeed())
	p, err := New(o, Env{Logger: logger})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.Close)
	p.Enable()
	return p.(*signed)
}

// methods are all of them, with a key for each.
var methods = map[string]string{
	"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
	"ES256": "256", "ES384": "384", "ES512": "512", "EdDSA": "ed", "HS256": "", "HS384": "", "HS512": "",
}

func TestSignedTokensOfEveryMethod(t *testing.T) {
	for method, key := range methods {
		t.Run(method, func(t *testing.T) {
			w := NewWithT(t)
			f := keep(t, "", "a secret of the cluster, which is long enough\n")
			if key != "" {
				f = keep(t, public(key), private(key))
			}
			p := startSigned(t, f.option(method), zap.NewNop())
			secret, err := p.Secret()
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(secret).To(BeEmpty())
			token, err := p.Assign("alice", 7, secret, 99)
			w.Expect(err).NotTo(HaveOccurred())
			for range 2 { // verified, and remembered
				id, ok := p.Lookup(t.Context(), token, 8)
				w.Expect(ok).To(BeTrue())
				w.Expect(id).To(Equal(auth.Identity{User: "alice", Revision: 7}))
			}
			for _, text := range []string{"", token[:len(token)-2], token + "AA", token[1:], "." + token} {
				w.Expect(whose(t, p, text)).To(BeEmpty())
			}
			claims := jwt.MapClaims{}
			parsed, _, err := jwt.NewParser().ParseUnverified(token, claims)
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(parsed.Header).To(Equal(map[string]any{"alg": method, "typ": "JWT"}), "as in etcd")
			w.Expect(claims).To(HaveLen(3))
			w.Expect(claims).To(HaveKeyWithValue("username", "alice"))
			w.Expect(claims).To(HaveKeyWithValue("revision", 7.0))
			w.Expect(claims["exp"]).To(BeNumerically("~", time.Now().Add(defaultJWTTTL).Unix(), 30))
		})
	}
}

// TestTokensDoNotChooseTheirMethod signs with what an attacker could: nothing, a public key as a secret, or a right key in
// another way than the one of the settings.
func TestTokensDoNotChooseTheirMethod(t *testing.T) {
	w := NewWithT(t)
	f := keep(t, public("rsa"), "")
	p := startSigned(t, f.option("RS256"), zap.NewNop())
	claims := jwt.MapClaims{"username": "root", "revision": 1}
	sign := func(m jwt.SigningMethod, key any) string { return must(jwt.NewWithClaims(m, claims).SignedString(key)) }
	w.Expect(whose(t, p, sign(jwt.SigningMethodRS256, keys()["rsa"]))).To(Equal("root"))
	for name, token := range map[string]string{
		"none":           sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"public as HMAC": sign(jwt.SigningMethodHS256, []byte(public("rsa"))),
		"empty HMAC":     sign(jwt.SigningMethodHS256, []byte{}),
		"PS256":          sign(jwt.SigningMethodPS256, keys()["rsa"]),
		"RS512":          sign(jwt.SigningMethodRS512, keys()["rsa"]),
		"ES256":          sign(jwt.SigningMethodES256, keys()["256"]),
		"other key":      sign(jwt.SigningMethodRS256, keys()["other"]),
	} {
		w.Expect(whose(t, p, token)).To(BeEmpty(), name)
	}
}

// TestClaims signs what an issuer may get wrong (etcd#15676). Issuers may leave out exp, and add what is not known here.
func TestClaims(t *testing.T) {
	w := NewWithT(t)
	secret := "a secret that is known to the issuer"
	p := startSigned(t, keep(t, "", secret).option("HS256"), zap.NewNop())
	now := time.Now().Unix()
	for text, want := range map[string]string{
		`{"username":"u","revision":4}`:                                    "u",
		`{"username":"u","revision":4,"exp":%d}`:                           "",
		`{"username":"u","revision":4,"exp":9999999999,"iss":"x","jti":7}`: "u",
		`{"username":"u","revision":4,"exp":9999999999.5}`:                 "u",
		`{"username":"u","revision":4,"exp":"never"}`:                      "",
		`{"username":"u","revision":4,"nbf":9999999999}`:                   "",
		`{"username":"u","revision":18446744073709551615}`:                 "u",
		`{"username":"u","revision":18446744073709551616}`:                 "",
		`{"username":"u","revision":0}`:                                    "",
		`{"username":"u","revision":-1}`:                                   "",
		`{"username":"u","revision":4.5}`:                                  "",
		`{"username":"u","revision":1e300}`:                                "",
		`{"username":"u","revision":"4"}`:                                  "",
		`{"username":"u","revision":null}`:                                 "",
		`{"username":"u","revision":[4]}`:                                  "",
		`{"username":"u"}`:                                                 "",
		`{"revision":4}`:                                                   "",
		`{"username":"","revision":4}`:                                     "",
		`{"username":7,"revision":4}`:                                      "",
		`{"username":{},"revision":4}`:                                     "",
		`{"Username":"u","Revision":4}`:                                    "",
		`{}`:                                                               "", `[]`: "", `null`: "", `7`: "", `"u"`: "", ``: "",
	} {
		if text == `{"username":"u","revision":4,"exp":%d}` {
			text = fmt.Sprintf(text, now-1)
		}
		w.Expect(whose(t, p, signText(secret, text))).To(Equal(want), text)
	}
	long := fmt.Sprintf(`{"username":"u","revision":4,"more":"%s"}`, make([]byte, maxTokenBytes))
	w.Expect(whose(t, p, signText(secret, long))).To(BeEmpty(), "too long")
}

// signText signs a text that may be no claims at all.
func signText(secret, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	head := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	return head + "." + encode(must(jwt.SigningMethodHS256.Sign(head, []byte(secret))))
}

func FuzzLookup(f *testing.F) {
	o := must(Parse("jwt,sign-method=HS256,priv-key=" + filepath.Join(f.TempDir(), "key")))
	if err := os.WriteFile(o.files.private, []byte("secret"), 0o600); err != nil {
		f.Fatal(err)
	}
	signed := must(New(o, Env{Logger: zap.NewNop()}))
	f.Cleanup(signed.Close)
	simple := newSimple(Env{Applied: func(context.Context, uint64) error { return nil }})
	simple.Enable()
	f.Cleanup(simple.Close)
	f.Add(`{"username":"u","revision":4,"exp":1}`)
	f.Add(`{"revision":4}`)
	f.Add("abcdefghijklmnop.1")
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range []auth.TokenProvider{signed, simple} {
			if id, ok := p.Lookup(t.Context(), text, 1); ok {
				t.Errorf("%q is a token of %v, which nobody made", text, id)
			}
		}
		// What the issuer signed may be anything, and stands for a user only if it says for which.
		if id, ok := signed.Lookup(t.Context(), signText("secret", text), 1); ok && (id.User == "" || id.Revision == 0) {
			t.Errorf("%q stands for %v", text, id)
		}
	})
}

func TestSignedTokensEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		p := startSigned(t, keep(t, "", private("256")).option("ES256")+",ttl=3s", zap.NewNop())
		token, err := p.Assign("alice", 1, "", 0)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(whose(t, p, token)).To(Equal("alice"))
		time.Sleep(2 * time.Second)
		w.Expect(whose(t, p, token)).To(Equal("alice"))
		time.Sleep(time.Second)
		w.Expect(whose(t, p, token)).To(BeEmpty(), "though it was remembered as good")
	})
}

func TestKeys(t *testing.T) {
	pkcs1 := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(keys()["rsa"].(*rsa.PrivateKey)))
	publicPKCS1 := pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(keys()["rsa"].Public().(*rsa.PublicKey)))
	sec1 := pemOf("EC PARAMETERS", []byte{6}) + pemOf("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(keys()["256"].(*ecdsa.PrivateKey))))
	for name, c := range map[string]struct{ method, public, private, refused string }{
		"pair":                   {"RS256", public("rsa"), private("rsa"), ""},
		"private":                {"RS256", "", private("rsa"), ""},
		"public":                 {"RS256", public("rsa"), "", ""},
		"PKCS1":                  {"PS256", publicPKCS1, pkcs1, ""},
		"SEC1 after parameters":  {"ES256", public("256"), sec1, ""},
		"certificate":            {"ES384", certificate("384"), private("384"), ""},
		"certificate of Ed25519": {"EdDSA", certificate("ed"), private("ed"), ""},
		"bundle":                 {"RS256", public("other") + public("rsa"), private("rsa"), ""},
		"no pair":                {"RS256", public("rsa"), private("other"), "auth: public and private keys don't match"},
		"not PEM":                {"RS256", "key", "", "auth: pub-key: no key in PEM format found"},
		"private not PEM":        {"RS256", "", "key", "auth: priv-key: no key in PEM format found"},
		"private for public":     {"RS256", private("rsa"), "", "auth: pub-key: neither a public key nor a certificate"},
		"public for private":     {"RS256", "", public("rsa"), "auth: priv-key: not a private key that is known here"},
		"other family":           {"RS256", public("256"), "", "auth: pub-key: the key is not one for sign-method RS256"},
		"other private family":   {"RS256", public("rsa"), private("256"), "auth: priv-key: the key is not one for sign-method RS256"},
		"other curve":            {"ES256", "", private("384"), "auth: priv-key: the key is not one for sign-method ES256"},
		"short":                  {"RS256", "", shortRSA, "auth: priv-key: an RSA key of 512 bits is too short to sign with, make one of 2048 or more"},
		"one of a bundle":        {"EdDSA", public("ed") + public("256"), "", "auth: pub-key: the key is not one for sign-method EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewWithT(t)
			o, err := Parse(keep(t, c.public, c.private).option(c.method))
			w.Expect(err).NotTo(HaveOccurred())
			if c.refused != "" {
				w.Expect(o.CheckFiles()).To(MatchError(c.refused))
				_, err := New(o, Env{Logger: zap.NewNop()})
				w.Expect(err).To(MatchError(c.refused))
				return
			}
			p := startSigned(t, keep(t, c.public, c.private).option(c.method), zap.NewNop())
			token, err := p.Assign("alice", 1, "", 0)
			if c.private == "" {
				w.Expect(err).To(MatchError(ErrVerifyOnly))
				return
			}
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(whose(t, p, token)).To(Equal("alice"))
		})
	}
	empty := keep(t, "\n", "\n")
	write(t, empty.private, "")
	for _, option := range []string{"jwt,sign-method=HS256,priv-key=" + empty.private, "jwt,sign-method=RS256,priv-key=" + empty.private} {
		NewWithT(t).Expect(must(Parse(option)).CheckFiles()).To(MatchError(ErrMissingKey), option)
	}
	for _, path := range []string{"/nowhere/key", t.TempDir(), "/dev/zero"} {
		o := must(Parse("jwt,sign-method=RS256,pub-key=" + path))
		NewWithT(t).Expect(o.CheckFiles()).To(MatchError(ErrInvalidOptions), path)
	}
}

// TestKeysChangeWhileRunning follows the documented way: no token of either key is refused before the old one is taken away.
func TestKeysChangeWhileRunning(t *testing.T) {
	keys() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		w := NewWithT(t)
		f := keep(t, public("rsa"), private("rsa"))
		core, lines := observer.New(zap.InfoLevel)
		p := startSigned(t, f.option("RS256"), zap.New(core))
		assign := func() string { return must(p.Assign("alice", 1, "", 0)) }
		polled := func() { time.Sleep(pollInterval + time.Millisecond) }
		before := assign()
		w.Expect(whose(t, p, before)).To(Equal("alice"))

		write(t, f.public, public("rsa")+public("other"))
		polled()
		w.Expect(whose(t, p, before)).To(Equal("alice"))
		write(t, f.private, private("other"))
		polled()
		after := assign()
		w.Expect(whose(t, p, before)).To(Equal("alice"))
		w.Expect(whose(t, p, after)).To(Equal("alice"))
		w.Expect(lines.TakeAll()).To(HaveLen(2))

		// Files that do not fit, are cut short or missing change nothing, and are reported once.
		for _, step := range []func(){
			func() { write(t, f.private, private("256")) },
			func() { write(t, f.private, private("other")[:100]) },
			func() { w.Expect(os.Remove(f.private)).To(Succeed()) },
		} {
			step()
			polled()
			polled()
			w.Expect(whose(t, p, assign())).To(Equal("alice"))
			w.Expect(lines.TakeAll()).To(ConsistOf(HaveField("Message", ContainSubstring("keep the keys of tokens"))))
		}
		write(t, f.private, private("other"))
		write(t, f.public, public("other"))
		polled()
		w.Expect(whose(t, p, before)).To(BeEmpty(), "its key is gone")
		w.Expect(whose(t, p, after)).To(Equal("alice"))
	})
}

func TestVerifiedTokensAreBounded(t *testing.T) {
	w := NewWithT(t)
	p := startSigned(t, keep(t, "", "secret").option("HS256"), zap.NewNop())
	for i := range maxVerified + 10 {
		w.Expect(whose(t, p, signText("secret", fmt.Sprintf(`{"username":"u%d","revision":1}`, i)))).To(Equal(fmt.Sprintf("u%d", i)))
	}
	w.Expect(p.state.Load().seen).To(HaveLen(10))
	large := signText("secret", fmt.Sprintf(`{"username":"u","revision":1,"more":"%0*d"}`, maxVerifiedBytes, 0))
	w.Expect(whose(t, p, large)).To(Equal("u"))
	w.Expect(p.state.Load().seen).To(HaveLen(10), "a large one is verified each time")
}

func TestNoTokens(t *testing.T) {
	w := NewWithT(t)
	p, err := New(must(Parse("")), Env{Logger: zap.NewNop()})
	w.Expect(err).NotTo(HaveOccurred())
	defer p.Close()
	p.Enable()
	secret, err := p.Secret()
	w.Expect(err).NotTo(HaveOccurred())
	_, err = p.Assign("alice", 1, secret, 1)
	w.Expect(err).To(MatchError(auth.ErrAuthFailed), "as in etcd")
	w.Expect(whose(t, p, "abcdefghijklmnop.1")).To(BeEmpty())
}

func BenchmarkSignedLookup(b *testing.B) {
	key := filepath.Join(b.TempDir(), "key")
	if err := os.WriteFile(key, []byte(private("rsa")), 0o600); err != nil {
		b.Fatal(err)
	}
	p := must(New(must(Parse("jwt,sign-method=RS256,priv-key="+key)), Env{Logger: zap.NewNop()}))
	defer p.Close()
	token := must(p.Assign("alice", 1, "", 1))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Lookup(context.Background(), token, 1); !ok {
			b.Fatal("not found")
		}
	}
}
