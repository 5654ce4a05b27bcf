package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
)

// The part of HTTP/2 that a gRPC client meets: RFC 9113, sections 4.1 and 6.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingMaxConcurrentStreams = 0x3
	settingInitialWindowSize    = 0x4

	frameHeaderBytes = 9
	maxFrameBytes    = 16 << 10 // the default of SETTINGS_MAX_FRAME_SIZE, which we do not raise
	preface          = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte // valid until the next read
}

func appendFrameHeader(dst []byte, length int, kind, flags byte, stream uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	return binary.BigEndian.AppendUint32(dst, stream)
}

// frameReader reads frames without copying them. beforeWait is called whenever the next frame is not completely in the
// buffer, before the connection is read.
type frameReader struct {
	r          *bufio.Reader
	beforeWait func() error
	held       int // bytes of the frame that was returned last
}

func (f *frameReader) next() (frame, error) {
	if _, err := f.r.Discard(f.held); err != nil {
		return frame{}, err
	}
	f.held = 0
	header, err := f.peek(frameHeaderBytes)
	if err != nil {
		return frame{}, err
	}
	length := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
	if length > maxFrameBytes {
		return frame{}, fmt.Errorf("a frame of %d bytes is over the limit of %d", length, maxFrameBytes)
	}
	all, err := f.peek(frameHeaderBytes + length)
	if err != nil {
		return frame{}, err
	}
	f.held = len(all)
	return frame{
		kind: all[3], flags: all[4],
		stream:  binary.BigEndian.Uint32(all[5:]) &^ (1 << 31),
		payload: all[frameHeaderBytes:],
	}, nil
}

func (f *frameReader) peek(n int) ([]byte, error) {
	if f.r.Buffered() < n {
		if err := f.beforeWait(); err != nil {
			return nil, err
		}
	}
	return f.r.Peek(n)
}

// headerBlock is the HPACK part of a HEADERS frame.
func headerBlock(f frame) ([]byte, error) {
	if f.flags&flagEndHeaders == 0 {
		return nil, errors.New("the server splits headers over several frames, which this client does not read")
	}
	block := f.payload
	if f.flags&flagPadded != 0 {
		if len(block) < 1 || int(block[0]) >= len(block) {
			return nil, errors.New("bad padding in a HEADERS frame")
		}
		block = block[1 : len(block)-int(block[0])]
	}
	if f.flags&flagPriority != 0 {
		if len(block) < 5 {
			return nil, errors.New("a HEADERS frame is too short for its priority field")
		}
		block = block[5:]
	}
	return block, nil
}
