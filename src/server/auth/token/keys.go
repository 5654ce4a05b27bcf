package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/golang-jwt/jwt/v5"
)

// maxKeyFileBytes bounds a key file; a bundle of a hundred RSA keys fits.
const maxKeyFileBytes = 1 << 20

// minRSABits is the size below which crypto/rsa neither signs nor verifies.
const minRSABits = 1024

// keyFiles are the paths of the keys; each may be empty.
type keyFiles struct{ public, private string }

// keyData is what the files hold.
type keyData struct{ public, private []byte }

func (d keyData) equal(o keyData) bool {
	return bytes.Equal(d.public, o.public) && bytes.Equal(d.private, o.private)
}

// keyring is a set of keys in use; it does not change.
type keyring struct {
	signing   any // nil: verify only
	verifying []jwt.VerificationKey
}

func (f keyFiles) load(method jwt.SigningMethod) (*keyring, error) {
	data, err := f.read()
	if err != nil {
		return nil, err
	}
	return newKeyring(method, data)
}

func (f keyFiles) read() (d keyData, err error) {
	if d.public, err = readKeyFile(f.public); err != nil {
		return d, err
	}
	d.private, err = readKeyFile(f.private)
	return d, err
}

func readKeyFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, invalid("%v", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes+1))
	if err == nil && len(data) > maxKeyFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxKeyFileBytes)
	}
	if err != nil {
		return nil, invalid("%v", err)
	}
	return data, nil
}

// newKeyring makes keys of what the files hold. All of them are held against the method here, so that a token can not choose
// how it is verified.
func newKeyring(method jwt.SigningMethod, data keyData) (*keyring, error) {
	if _, symmetric := method.(*jwt.SigningMethodHMAC); symmetric {
		if len(data.private) == 0 {
			return nil, ErrMissingKey
		}
		return &keyring{signing: data.private, verifying: []jwt.VerificationKey{data.private}}, nil
	}
	if len(data.public) == 0 && len(data.private) == 0 {
		return nil, ErrMissingKey
	}
	ring := &keyring{}
	for _, der := range blocks(data.public) {
		key, err := publicKey(der)
		if err == nil {
			err = fits(method, key)
		}
		if err != nil {
			return nil, fmt.Errorf("auth: pub-key: %w", err)
		}
		ring.verifying = append(ring.verifying, key)
	}
	if len(data.public) > 0 && len(ring.verifying) == 0 {
		return nil, fmt.Errorf("auth: pub-key: %w", errNotPEM)
	}
	if len(data.private) == 0 {
		return ring, nil
	}
	signer, err := privateKey(data.private)
	if err == nil {
		err = fits(method, signer.Public())
	}
	if err != nil {
		return nil, fmt.Errorf("auth: priv-key: %w", err)
	}
	ring.signing = signer
	switch {
	case len(ring.verifying) == 0:
		ring.verifying = []jwt.VerificationKey{signer.Public()}
	case !holds(ring.verifying, signer.Public()):
		return nil, ErrKeyMismatch
	}
	return ring, nil
}

var errNotPEM = errors.New("no key in PEM format found")

// blocks are the contents of the PEM blocks of a file. Parameters, which openssl writes before a key, are none.
func blocks(data []byte) (all [][]byte) {
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return all
		}
		if b.Type != "EC PARAMETERS" {
			all = append(all, b.Bytes)
		}
	}
}

func publicKey(der []byte) (any, error) {
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key, nil
	}
	if cert, err := x509.ParseCertificate(der); err == nil {
		return cert.PublicKey, nil
	}
	return nil, errors.New("neither a public key nor a certificate")
}

func privateKey(data []byte) (crypto.Signer, error) {
	all := blocks(data)
	if len(all) == 0 {
		return nil, errNotPEM
	}
	der := all[0]
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("not a private key that is known here")
}

// fits holds a public key against the method: its family, for ES* its curve, and for RSA its size.
func fits(method jwt.SigningMethod, key any) error {
	ok := false
	switch m := method.(type) {
	case *jwt.SigningMethodRSA, *jwt.SigningMethodRSAPSS:
		var k *rsa.PublicKey
		k, ok = key.(*rsa.PublicKey)
		if ok && k.N.BitLen() < minRSABits {
			return fmt.Errorf("an RSA key of %d bits is too short to sign with, make one of 2048 or more", k.N.BitLen())
		}
	case *jwt.SigningMethodECDSA:
		var k *ecdsa.PublicKey
		k, ok = key.(*ecdsa.PublicKey)
		ok = ok && k.Curve.Params().BitSize == m.CurveBits
	case *jwt.SigningMethodEd25519:
		_, ok = key.(ed25519.PublicKey)
	}
	if !ok {
		return fmt.Errorf("the key is not one for sign-method %s", method.Alg())
	}
	return nil
}

func holds(keys []jwt.VerificationKey, key any) bool {
	for _, k := range keys {
		if k.(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
			return true
		}
	}
	return false
}
