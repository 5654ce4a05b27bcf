package token

import (
	"errors"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// FuzzOptions: --auth-token is refused with a reason, or says all that a provider needs.
func FuzzOptions(f *testing.F) {
	for _, text := range []string{"", "simple", "jwt,sign-method=RS256,pub-key=a,priv-key=b,ttl=90s,kid=7", "jwt,sign-method=none,priv-key=a", "jwt,ttl=1s,ttl=2s", "simple,a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(text)
		switch {
		case err != nil && !errors.Is(err, ErrInvalidOptions) && !errors.Is(err, ErrMissingKey):
			t.Errorf("%q: %v", text, err)
		case err == nil && o.kind == kindJWT && (o.method == nil || o.ttl < time.Second || o.files == keyFiles{}):
			t.Errorf("%q is understood as %+v", text, o)
		}
	})
}

// shortRSA is a key of 512 bits, with which nothing is signed any more.
const shortRSA = `-----BEGIN RSA PRIVATE KEY-----
MIIBPAIBAAJBAL67Bc3aww9BCspZHv1uqak1YvkA+UICbQacBDgbrpHuFq+4MZRY
rLB7J070sACr1coU9UepVvBNuOMkC8FWyZkCAwEAAQJBALu/XfdFYL2jSPvmvpq6
VEg8RTDXxIU13hyjd4PDvBPolfxd6ai86LoZvgBOSZLiGFDBYxbnAdsjyBoAGZGA
MAECIQDvdokiKgvr1t/f7CuiAydePUO7uKZzeUUwkKhraY+QNwIhAMvm8jX99M+d
qQZEQqqOnS84ptxBgspQR+J9XvothGyvAiEA6+s1ieIw4oZNBDiSeEhxJchoDe8K
lmOYxhMOytwyI5sCIG5bKlBKiIstm2OG4kYJNc1u7fBbjHwPAzjz/cmNhRSFAiEA
4qZbsIDfTs7Fx1H27qxu7RyV/yMtIFQmylGSBqvB8GY=
-----END RSA PRIVATE KEY-----
`

// FuzzKeys: whatever the key files hold is refused, or verifies what it has signed.
func FuzzKeys(f *testing.F) {
	for method, kind := range map[string]string{"RS256": "rsa", "PS256": "rsa", "ES256": "256", "ES384": "384", "EdDSA": "ed", "HS256": "rsa"} {
		f.Add(method, []byte(public(kind)), []byte(private(kind)))
		f.Add(method, []byte(certificate(kind)), []byte{})
	}
	f.Add("RS512", []byte{}, []byte(shortRSA))
	f.Fuzz(func(t *testing.T, name string, public, private []byte) {
		method := jwt.GetSigningMethod(name)
		if method == nil || method == jwt.SigningMethodNone {
			return
		}
		ring, err := newKeyring(method, keyData{public: public, private: private})
		if err != nil {
			return
		}
		if len(ring.verifying) == 0 {
			t.Fatal("keys that verify nothing")
		}
		if ring.signing == nil {
			return
		}
		signature, err := method.Sign("text", ring.signing)
		if err != nil {
			t.Fatalf("a key that can not sign: %v", err)
		}
		for _, key := range ring.verifying {
			if err = method.Verify("text", signature, key); err == nil {
				return
			}
		}
		t.Errorf("what was signed is not verified: %v", err)
	})
}
