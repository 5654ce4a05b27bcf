package sums

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Sign signs SHA256SUMS with the private key in a PEM file (PKCS #8, ECDSA or Ed25519) and writes the signature beside it
// as base64, as `cosign verify-blob --key PUBLIC --signature SHA256SUMS.sig SHA256SUMS` reads it. The same key gives the
// same signature.
func Sign(dir, keyFile string) error {
	key, err := privateKey(keyFile)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return err
	}
	signature, err := sign(key, data)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(signature) + "\n"
	return os.WriteFile(filepath.Join(dir, Signature), []byte(text), 0o644)
}

func sign(key crypto.Signer, data []byte) ([]byte, error) {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return key.Sign(nil, data, crypto.Hash(0))
	case *ecdsa.PrivateKey:
		sum := sha256.Sum256(data)
		return key.Sign(nil, sum[:], crypto.SHA256) // without a source of randomness: RFC 6979
	}
	return nil, fmt.Errorf("keys of type %T are not supported, only ECDSA and Ed25519", key)
}

// Verify checks the signature of SHA256SUMS with a public key in a PEM file.
func Verify(dir, keyFile string) error {
	key, err := publicKey(keyFile)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, Signature))
	if err != nil {
		return fmt.Errorf("the release is not signed: %w", err)
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", Signature, err)
	}
	good := false
	switch key := key.(type) {
	case ed25519.PublicKey:
		good = ed25519.Verify(key, data, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(data)
		good = ecdsa.VerifyASN1(key, sum[:], signature)
	default:
		return fmt.Errorf("keys of type %T are not supported, only ECDSA and Ed25519", key)
	}
	if !good {
		return errors.New(Signature + " is not a signature of " + File + " by this key")
	}
	return nil
}

func privateKey(file string) (crypto.Signer, error) {
	block, err := readPEM(file)
	if err != nil {
		return nil, err
	}
	var key any
	if block.Type == "EC PRIVATE KEY" {
		key, err = x509.ParseECPrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not an unencrypted private key: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a %T can not sign", file, key)
	}
	return signer, nil
}

func publicKey(file string) (any, error) {
	block, err := readPEM(file)
	if err != nil {
		return nil, err
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

func readPEM(file string) (*pem.Block, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file", file)
	}
	return block, nil
}
