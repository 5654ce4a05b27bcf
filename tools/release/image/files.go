package image

import (
	"bytes"
	"encoding/pem"
	"io/fs"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"quoin.dev/quoin/tools/release/archive"
)

// userID is the nonroot user of distroless images; people's pod policies know the number.
const userID = 65532

// base is what a program expects around it: users, roots of trust, a place for temporary files, and one for the data that
// the user may write to. There is no shell and no package manager.
func base() []archive.Entry {
	dir := func(name string, mode fs.FileMode, owner int) archive.Entry {
		return archive.Entry{Name: name, Mode: mode, UID: owner}
	}
	file := func(name string, data []byte) archive.Entry {
		return archive.Entry{Name: name, Mode: 0o644, Data: data}
	}
	return []archive.Entry{
		dir("etc/", 0o755, 0), dir("etc/ssl/", 0o755, 0), dir("etc/ssl/certs/", 0o755, 0),
		dir("home/", 0o755, 0), dir("home/nonroot/", 0o700, userID),
		dir("tmp/", 0o777|fs.ModeSticky, 0),
		dir("usr/", 0o755, 0), dir("usr/local/", 0o755, 0), dir("usr/local/bin/", 0o755, 0),
		dir("var/", 0o755, 0), dir("var/lib/", 0o755, 0), dir("var/lib/quoin/", 0o700, userID),
		file("etc/group", []byte("root:x:0:\nnonroot:x:65532:\n")),
		file("etc/nsswitch.conf", []byte("hosts: files dns\n")),
		file("etc/passwd", []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")),
		file("etc/ssl/certs/ca-certificates.crt", rootCertificates()),
	}
}

// rootCertificates are Mozilla's, as the Go team publishes them in a module: pinned by go.sum as everything else. Roots
// that are trusted only for certificates issued before some day are left out, since a PEM file can not say so.
func rootCertificates() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes everything
		}
	}
	return b.Bytes()
}
