package compare

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/blakesmith/ar"
	"github.com/cavaliergopher/cpio"
)

// member is one part of a container; header is everything that is said about it besides its name.
type member struct {
	name, header string
	data         []byte
}

// container is a format that can be opened.
type container struct {
	name string
	is   func(data []byte) bool
	open func(data []byte) ([]member, error)
}

var formats = []*container{
	{"gzip", startsWith("\x1f\x8b"), openGzip},
	{"zip", startsWith("PK\x03\x04"), openZip},
	{"deb", startsWith("!<arch>\n"), openAr},
	{"rpm", startsWith("\xed\xab\xee\xdb"), openRPM},
	{"cpio", startsWith("070701"), openCpio},
	{"tar", func(data []byte) bool { return len(data) > 262 && string(data[257:262]) == "ustar" }, openTar},
}

func startsWith(magic string) func([]byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }
}

func formatOf(data []byte) *container {
	for _, f := range formats {
		if f.is(data) {
			return f
		}
	}
	return nil
}

func openGzip(data []byte) ([]member, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	header := fmt.Sprintf("name %s, time %s, system %d", r.Name, r.ModTime, r.OS)
	content, err := io.ReadAll(r)
	return []member{{"uncompressed", header, content}}, err
}

func openTar(data []byte) ([]member, error) {
	var all []member
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		header := fmt.Sprintf("type %c, mode %o, owner %d:%d %s:%s, time %s, link %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, h.ModTime.UTC(), h.Linkname)
		all = append(all, member{h.Name, header, content})
	}
}

func openZip(data []byte) ([]member, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var all []member
	for _, f := range r.File {
		content, err := f.Open()
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(content)
		if err != nil {
			return nil, err
		}
		all = append(all, member{f.Name, fmt.Sprintf("mode %s, time %s", f.Mode(), f.Modified.UTC()), b})
	}
	return all, nil
}

func openAr(data []byte) ([]member, error) {
	var all []member
	for r := ar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		all = append(all, member{h.Name, fmt.Sprintf("mode %o, owner %d:%d, time %s", h.Mode, h.Uid, h.Gid, h.ModTime.UTC()), content})
	}
}

func openCpio(data []byte) ([]member, error) {
	var all []member
	for r := cpio.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		all = append(all, member{h.Name, fmt.Sprintf("mode %o, owner %d:%d, time %s", h.Mode, h.Uid, h.Guid, h.ModTime.UTC()), content})
	}
}

const (
	rpmLeadBytes   = 96
	rpmHeaderIntro = 16 // magic, version, reserved, number of index entries, size of the store
	rpmIndexBytes  = 16
	rpmAlign       = 8 // of the signature header
)

// openRPM splits a package into its lead, its two headers and its payload.
func openRPM(data []byte) ([]member, error) {
	if len(data) < rpmLeadBytes {
		return nil, io.ErrUnexpectedEOF
	}
	all := []member{{name: "lead", data: data[:rpmLeadBytes]}}
	rest := data[rpmLeadBytes:]
	for _, name := range []string{"signatures", "header"} {
		if len(rest) < rpmHeaderIntro {
			return nil, io.ErrUnexpectedEOF
		}
		size := rpmHeaderIntro + rpmIndexBytes*int64(binary.BigEndian.Uint32(rest[8:])) + int64(binary.BigEndian.Uint32(rest[12:]))
		if name == "signatures" {
			size = (size + rpmAlign - 1) / rpmAlign * rpmAlign
		}
		if int64(len(rest)) < size {
			return nil, io.ErrUnexpectedEOF
		}
		all = append(all, member{name: name, data: rest[:size]})
		rest = rest[size:]
	}
	// What the headers say are sums of the payload, so the payload is the better place to look first.
	payload := member{name: "payload", data: rest}
	return []member{payload, all[2], all[1], all[0]}, nil
}
