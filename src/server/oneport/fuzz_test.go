package oneport

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// saidConn is a connection whose client has said something, and hangs up then.
type saidConn struct{ io.Reader }

func (saidConn) Write(p []byte) (int, error)      { return len(p), nil }
func (saidConn) Close() error                     { return nil }
func (saidConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (saidConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (saidConn) SetDeadline(time.Time) error      { return nil }
func (saidConn) SetReadDeadline(time.Time) error  { return nil }
func (saidConn) SetWriteDeadline(time.Time) error { return nil }

// greeting is how a client of HTTP/2 begins: settings, a ping, and a request with one header.
func greeting(header, value string) []byte {
	var said, block bytes.Buffer
	said.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&said, nil)
	encoder := hpack.NewEncoder(&block)
	for _, field := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: header, Value: value}} {
		_ = encoder.WriteField(field) // to memory
	}
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = framer.WritePing(false, [8]byte{1})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = framer.WriteData(1, true, []byte("body"))
	return said.Bytes()
}

// FuzzGreeting: gRPC hears exactly what a client says, and HTTP a connection that begins as one has to, however the bytes are.
func FuzzGreeting(f *testing.F) {
	f.Add(greeting("content-type", "application/grpc"))
	f.Add(greeting("content-type", "text/plain"))
	f.Add(greeting("x", "y"))
	f.Add([]byte(http2.ClientPreface))
	f.Add(bytes.Replace(greeting("x", "y"), []byte("HTTP"), []byte("JTTP"), 1))
	f.Add([]byte(http2.ClientPreface + "\xff\xff\xff\x01\x04\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, said []byte) {
		http := newListener(&net.TCPAddr{})
		given := make(chan net.Conn, 1)
		go func() {
			if conn, err := http.Accept(); err == nil {
				given <- conn
			}
			close(given)
		}()
		c := newUndecidedConn(saidConn{bytes.NewReader(said)}, http)
		heard, err := io.ReadAll(c)
		_ = http.Close()
		if err != nil {
			t.Fatalf("gRPC reads %d bytes of %q and then %v", len(heard), said, err)
		}
		if c.gone.Load() {
			began := make([]byte, len(http2.ClientPreface))
			if taken, ok := <-given; ok {
				if _, err := io.ReadFull(taken, began); err != nil || string(began) != http2.ClientPreface {
					t.Errorf("HTTP hears %q of %q, %v", began, said, err)
				}
			}
			heard, said = nil, nil
		}
		if !bytes.Equal(heard, said) {
			t.Errorf("gRPC hears %q instead of %q", heard, said)
		}
	})
}

// FuzzPieces: a stream that is read in pieces loses the same frames as one that is there at once.
func FuzzPieces(f *testing.F) {
	whole := greeting("x", "y")[len(http2.ClientPreface):]
	ack := []byte{0, 0, 0, byte(http2.FrameSettings), byte(http2.FlagSettingsAck), 0, 0, 0, 0}
	f.Add(append(append([]byte{}, ack...), whole...), 3, 1)
	f.Add(append(append([]byte{}, whole...), ack...), 9, 2)
	f.Add([]byte("\x00\x00\x14\x04\x01\x00\x00\x00\x00an acknowledgement of"), 4, 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece, drop int) {
		if piece <= 0 || drop < 0 {
			return
		}
		once, pieces := sieve{drop: drop}, sieve{drop: drop}
		want := once.pass(nil, stream)
		var got []byte
		for rest := stream; len(rest) > 0; {
			n := min(piece, len(rest))
			got = pieces.pass(got, rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(got, want) || once != pieces {
			t.Errorf("in pieces of %d bytes %q is left of %q, at once %q", piece, got, stream, want)
		}
		// The header of the last frame may not be whole yet.
		if lost := len(stream) - len(want); drop < len(stream) && lost > drop*len(ack)+frameHeaderBytes-1 {
			t.Errorf("%d bytes of %q are lost", lost, stream)
		}
	})
}
