package netfault

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// rule does something to the packets that come from a peer, or, if leaving, go to it.
type rule struct {
	link    Link
	peer    netip.Addr
	leaving bool
	// what is the condition of the packet, then what counts it and ends its way.
	what []expr.Any
}

const (
	register       = 1
	ipv4From       = 12
	ipv4To         = 16
	tcpFlags       = 13
	tcpFlagReset   = 0x04
	bypassQueue    = 1 // packets go on while nobody reads the queue
	targetRevision = 3
)

// expressions are the whole rule.
func (r rule) expressions() []expr.Any {
	offset := uint32(ipv4From)
	if r.leaving {
		offset = ipv4To
	}
	peer := r.peer.As4()
	return append([]expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: peer[:]},
	}, r.what...)
}

// effects are what the rules of a link do that is in this condition, in their order.
func (c Condition) effects() [][]expr.Any {
	drop := []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
	var effects [][]expr.Any
	add := func(yes bool, what ...expr.Any) {
		if yes {
			effects = append(effects, what)
		}
	}
	add(c.Drop, drop...)
	add(c.Reset, append(tcpButReset(), &expr.Counter{}, &expr.Reject{Type: unix.NFT_REJECT_TCP_RST})...)
	add(c.DropOverBytes > 0, append(longerThan(c.DropOverBytes), drop...)...)
	add(c.LossPercent > 0, append(byChance(c.LossPercent), drop...)...)
	add(c.shaped(), toQueue())
	return effects
}

// tcpButReset is every TCP packet that is not itself a reset: those must reach the other end.
func tcpButReset() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlags, Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{tcpFlagReset}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{0}},
	}
}

func longerThan(limitBytes int) []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: expr.MetaKeyLEN, Register: register}}, compare(expr.CmpOpGt, limitBytes)...)
}

func byChance(percent int) []expr.Any {
	return append([]expr.Any{&expr.Numgen{Register: register, Modulus: 100, Type: unix.NFT_NG_RANDOM}}, compare(expr.CmpOpLt, percent)...)
}

// compare holds a number of this machine against another. The kernel compares bytes, so the high ones have to be in front.
func compare(op expr.CmpOp, with int) []expr.Any {
	return []expr.Any{
		&expr.Byteorder{SourceRegister: register, DestRegister: register, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: op, Register: register, Data: binaryutil.BigEndian.PutUint32(uint32(with))},
	}
}

// toQueue is the target that iptables has for it: number of the first queue, how many there are, and flags, padded to 8 bytes.
func toQueue() expr.Any {
	info := binary.NativeEndian.AppendUint16(nil, queueNumber)
	info = binary.NativeEndian.AppendUint16(info, 1)
	info = binary.NativeEndian.AppendUint16(info, bypassQueue)
	unknown := xt.Unknown(append(info, 0, 0))
	return &expr.Target{Name: "NFQUEUE", Rev: targetRevision, Info: &unknown}
}
