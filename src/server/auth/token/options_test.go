package token

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestParse(t *testing.T) {
	w := NewWithT(t)
	o, err := Parse("jwt,sign-method=PS384,pub-key=a.pub,priv-key=a.pem,ttl=90s,kid=7,aud=x")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(o.method.Alg()).To(Equal("PS384"))
	w.Expect(o.files).To(Equal(keyFiles{public: "a.pub", private: "a.pem"}))
	w.Expect(o.ttl).To(Equal(90 * time.Second))
	w.Expect(o.Unknown).To(Equal([]string{"aud", "kid"}))

	o, err = Parse("jwt,sign-method=EdDSA,priv-key=a=b.pem")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(o.files.private).To(Equal("a=b.pem"))
	w.Expect(o.ttl).To(Equal(defaultJWTTTL))

	for _, text := range []string{"", "simple", "simple,unused=1"} {
		_, err := Parse(text)
		w.Expect(err).NotTo(HaveOccurred(), text)
	}
}

// TestParseRefuses what etcd refuses with the same text, and a few that etcd starts with though no token could be used.
func TestParseRefuses(t *testing.T) {
	w := NewWithT(t)
	for text, why := range map[string]string{
		"foo":                                    `unknown kind of tokens "foo"`,
		"JWT,sign-method=RS256":                  `unknown kind of tokens "JWT"`,
		"simple,foo":                             `got "foo"`,
		"simple,":                                `got ""`,
		"jwt":                                    `sign-method "" is none of RS256`,
		"jwt,":                                   `got ""`,
		"jwt,sign-method=":                       `sign-method "" is none of`,
		"jwt,sign-method=rs256":                  `sign-method "rs256" is none of`,
		"jwt,sign-method=none":                   `sign-method "none" is none of`,
		"jwt,sign-method=RS256,":                 `got ""`,
		"jwt,ttl=1s,ttl=1s":                      `got "ttl=1s"`,
		"jwt,sign-method=RS256,pub-key=k,ttl=5":  `ttl: time: missing unit in duration "5"`,
		"jwt,sign-method=RS256,pub-key=k,ttl=0s": "ttl must be at least 1s, got 0s",
		"jwt,sign-method=RS256,pub-key=k,ttl=-5s": "ttl must be at least 1s, got -5s",
	} {
		_, err := Parse(text)
		w.Expect(err).To(MatchError(ErrInvalidOptions), text)
		w.Expect(err).To(MatchError(And(HavePrefix("auth: invalid auth options: "), ContainSubstring(why))), text)
	}
	for _, text := range []string{"jwt,sign-method=RS256", "jwt,sign-method=HS256", "jwt,sign-method=HS256,pub-key=k"} {
		_, err := Parse(text)
		w.Expect(err).To(MatchError(ErrMissingKey), text)
	}
}
