package peer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	readBufferBytes = 32 << 10
	// growBytes is the most that is allocated for a frame before any of its bytes has arrived.
	growBytes = 64 << 10
	// Frames up to smallFrame are cut from chunks of arenaBytes, so that small messages cost a fraction of an
	// allocation. What is cut from one chunk lives about equally long.
	smallFrame = 4 << 10
	arenaBytes = 32 << 10
)

// frameReader reads the length-prefixed parts that all bodies of the protocol consist of.
type frameReader struct {
	r     *bufio.Reader
	arena []byte
	// taken counts the bytes handed out, for the observer.
	taken int
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBufferBytes)}
}

// uint64 reads a big-endian number. It returns io.EOF when there is no byte, io.ErrUnexpectedEOF when there are some.
func (f *frameReader) uint64() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(f.r, b[:]); err != nil {
		return 0, err
	}
	f.taken += len(b)
	return binary.BigEndian.Uint64(b[:]), nil
}

// kind reads the byte that starts a msgapp frame.
func (f *frameReader) kind() (byte, error) {
	b, err := f.r.ReadByte()
	if err == nil {
		f.taken++
	}
	return b, err
}

// sized reads a length and as many bytes, at most limit. The result is the caller's to keep; memory is taken only as the
// bytes arrive, whatever length the other end claims.
func (f *frameReader) sized(limit uint64) ([]byte, error) {
	n, err := f.uint64()
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("frame of %d bytes is over the limit of %d", n, limit)
	}
	b, err := f.bytes(int(n))
	f.taken += len(b)
	return b, err
}

func (f *frameReader) bytes(n int) ([]byte, error) {
	if n <= smallFrame {
		return f.small(n)
	}
	buf := make([]byte, min(n, growBytes))
	for read := 0; ; {
		k, err := io.ReadFull(f.r, buf[read:])
		if read += k; err != nil {
			return nil, noEOF(err)
		}
		if read == n {
			return buf, nil
		}
		grown := make([]byte, min(n, 2*len(buf)))
		copy(grown, buf)
		buf = grown
	}
}

func (f *frameReader) small(n int) ([]byte, error) {
	if n > len(f.arena) {
		f.arena = make([]byte, arenaBytes)
	}
	b := f.arena[:n:n]
	f.arena = f.arena[n:]
	if _, err := io.ReadFull(f.r, b); err != nil {
		return nil, noEOF(err)
	}
	return b, nil
}

// noEOF is for ends in the middle of a frame, which are never clean.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
