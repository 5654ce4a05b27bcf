package peer

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"

	"quoin.dev/api/raftwire"
)

// appendSized appends a message with its length ahead, the frame of message streams and of the snapshot envelope.
func appendSized(dst []byte, m *raftpb.Message) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(raftwire.SizeMessage(m)))
	return raftwire.AppendMessage(dst, m)
}

// readSized reads such a frame of at most limit bytes. The message borrows from memory that nobody else writes to.
func readSized(f *frameReader, limit uint64) (*raftpb.Message, error) {
	data, err := f.sized(limit)
	if err != nil {
		return nil, err
	}
	m := new(raftpb.Message)
	return m, raftwire.UnmarshalMessage(data, m)
}

// messageEncoder writes the frames of message streams, which stand for themselves.
type messageEncoder struct{}

func (messageEncoder) encode(dst []byte, m *raftpb.Message) []byte { return appendSized(dst, m) }

type messageDecoder struct {
	frames *frameReader
}

func (d *messageDecoder) decode() (*raftpb.Message, error) { return readSized(d.frames, maxFrameBytes) }
