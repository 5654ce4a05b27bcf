package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/net/http2/hpack"
)

// userAgent names the generator in the server's logs.
const userAgent = "quoin-bench"

// headers are the header blocks of the requests of one connection: the first fills the server's dynamic table, and encoded
// a second time it is only indexes into that table, which is good for every request after the first.
type headers struct{ first, later []byte }

func newHeaders(address, method string, a Access) *headers {
	var buf bytes.Buffer
	e := hpack.NewEncoder(&buf)
	scheme := "http"
	if a.Cert != "" {
		scheme = "https"
	}
	fields := [][2]string{
		{":method", "POST"},
		{":scheme", scheme},
		{":path", method},
		{":authority", address},
		{"content-type", "application/grpc"},
		{"user-agent", userAgent},
		{"te", "trailers"},
	}
	if a.Token != "" {
		fields = append(fields, [2]string{"token", a.Token})
	}
	write := func() []byte {
		buf.Reset()
		for _, f := range fields {
			// A bytes.Buffer does not fail.
			_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		return bytes.Clone(buf.Bytes())
	}
	return &headers{first: write(), later: write()}
}

func (h *headers) next() []byte {
	block := h.first
	if block == nil {
		return h.later
	}
	h.first = nil
	return block
}

func (c *conn) data(f frame) error {
	call, ok := c.calls[f.stream]
	if !ok {
		return fmt.Errorf("the server sent data on stream %d, which is not open", f.stream)
	}
	if f.flags&flagPadded != 0 {
		return fmt.Errorf("the server pads its data, which this client does not read")
	}
	call.received += len(f.payload)
	if call.received > maxAnswerBytes {
		return fmt.Errorf("an answer is over the limit of %d bytes", maxAnswerBytes)
	}
	streaming := c.run.workload.streaming
	if call.keep || streaming {
		call.body = append(call.body, f.payload...)
	}
	c.calls[f.stream] = call
	c.consumed += len(f.payload)
	if c.consumed > receiveWindow/4 {
		c.out = appendWindowUpdate(c.out, c.consumed)
		c.consumed = 0
	}
	if f.flags&flagEndStream != 0 {
		return fmt.Errorf("the server ended stream %d without a status", f.stream)
	}
	if streaming && len(call.body) >= 5 && len(call.body) >= 5+int(binary.BigEndian.Uint32(call.body[1:])) {
		c.grpcStatus = "0" // it comes when the stream ends, which these do not
		return c.finish(f.stream)
	}
	return nil
}

// finish takes the answer that is complete, and sends the client's next request.
func (c *conn) finish(stream uint32) error {
	call, ok := c.calls[stream]
	if !ok {
		return fmt.Errorf("the server ended stream %d, which is not open", stream)
	}
	delete(c.calls, stream)
	now := time.Since(c.run.epoch)
	if err := c.judge(&call); err != nil {
		c.errs++
		if c.err == nil {
			c.err = err
		}
	} else if c.run.measured(now) {
		c.ops++
		c.bytes += int64(call.received)
		c.last = now
		// Latencies beyond the histogram's range are bounded by ioTimeout, so recording does not fail.
		_ = c.hist.RecordValue(int64(now - call.sent))
	}
	if c.closed {
		return nil
	}
	if !c.run.workload.streaming {
		stream = 0
	}
	c.send(now, stream)
	return nil
}

// judge says whether an answer is the one that the request asked for.
func (c *conn) judge(call *call) error {
	if c.grpcStatus != "0" {
		return fmt.Errorf("status %q: %s", c.grpcStatus, c.grpcMessage)
	}
	if call.received < 5+c.run.workload.minBytes {
		return fmt.Errorf("an answer has %d bytes, at least %d were expected", call.received, 5+c.run.workload.minBytes)
	}
	if !call.keep {
		return nil
	}
	if n := binary.BigEndian.Uint32(call.body[1:]); call.body[0] != 0 || int(n) != len(call.body)-5 {
		return fmt.Errorf("an answer is not one uncompressed message")
	}
	return c.run.workload.check(call.body[5:])
}
