package netfault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The messages of the kernel's linux/netfilter/nfnetlink_queue.h, as far as they are used here.
const (
	queuePacket  = netlink.HeaderType(unix.NFNL_SUBSYS_QUEUE << 8)
	queueVerdict = netlink.HeaderType(unix.NFNL_SUBSYS_QUEUE<<8 | 1)
	queueConfig  = netlink.HeaderType(unix.NFNL_SUBSYS_QUEUE<<8 | 2)

	configCommand = 1 // u8 command, u8 padding, be16 family
	configParams  = 2 // be32 bytes to copy, u8 mode
	configMaxLen  = 3
	configMask    = 4
	configFlags   = 5

	commandBind    = 1
	copyPacket     = 2
	flagGSO        = 4 // hand over what TCP sends in one go as it is
	packetHeader   = 1 // be32 id, be16 protocol, u8 hook
	packetPayload  = 10
	verdictHeader  = 2 // be32 verdict, be32 id
	verdictDrop    = 0
	verdictAccept  = 1
	ipv4HeaderSize = 20
)

const (
	// queueNumber is that of the one queue that the lab uses in each namespace.
	queueNumber = 0
	// maxHeldPackets and maxHeldBytes bound what waits in one namespace.
	maxHeldPackets = 8192
	maxHeldBytes   = 64 << 20
	// socketBytes holds the messages about packets that were not read yet.
	socketBytes = 4 << 20
)

// arrival is what the lab learns of a packet.
type arrival struct {
	id          uint32
	from, to    netip.Addr
	lengthBytes int
}

// dialQueue opens the queue of a namespace. The kernel sends a message for each packet to the socket, until that is closed.
func dialQueue(netns *os.File) (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: int(netns.Fd())})
	if err != nil {
		return nil, fmt.Errorf("netlink socket for a queue of packets: %w", err)
	}
	if err := configureQueue(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("open a queue of packets: %w", err), conn.Close())
	}
	return conn, nil
}

func configureQueue(conn *netlink.Conn) error {
	if err := conn.SetReadBuffer(socketBytes); err != nil {
		return err
	}
	// A message that finds no room costs a packet. To be told so, too, would only end the reader.
	if err := conn.SetOption(netlink.NoENOBUFS, true); err != nil {
		return err
	}
	if err := conn.SetDeadline(deadline()); err != nil {
		return err
	}
	for _, attributes := range []func(*netlink.AttributeEncoder){
		func(e *netlink.AttributeEncoder) {
			e.Bytes(configCommand, []byte{commandBind, 0, 0, unix.AF_INET})
		},
		func(e *netlink.AttributeEncoder) {
			e.Bytes(configParams, append(binary.BigEndian.AppendUint32(nil, ipv4HeaderSize), copyPacket))
			e.Uint32(configMaxLen, maxHeldPackets)
			e.Uint32(configMask, flagGSO)
			e.Uint32(configFlags, flagGSO)
		},
	} {
		message, err := queueMessage(queueConfig, attributes)
		if err != nil {
			return err
		}
		message.Header.Flags |= netlink.Acknowledge
		if _, err := conn.Execute(message); err != nil {
			return err
		}
	}
	return nil
}

// queueMessage is one to the kernel: family, version and the number of the queue, and attributes.
func queueMessage(kind netlink.HeaderType, attributes func(*netlink.AttributeEncoder)) (netlink.Message, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.BigEndian
	attributes(encoder)
	data, err := encoder.Encode()
	if err != nil {
		return netlink.Message{}, err
	}
	return netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, queueNumber}, data...),
	}, nil
}

// verdicts are the messages that let packets go or end them.
func verdicts(verdict uint32, ids ...uint32) ([]netlink.Message, error) {
	messages := make([]netlink.Message, 0, len(ids))
	for _, id := range ids {
		message, err := queueMessage(queueVerdict, func(e *netlink.AttributeEncoder) {
			e.Bytes(verdictHeader, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, verdict), id))
		})
		if err != nil {
			return nil, err
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// parseArrival reads the message about a packet: its id, and what is in its IP header.
func parseArrival(message netlink.Message) (arrival, error) {
	const generic = 4 // family, version, number of the queue
	if message.Header.Type != queuePacket || len(message.Data) < generic {
		return arrival{}, fmt.Errorf("a message of type %#x and %d bytes from a queue", message.Header.Type, len(message.Data))
	}
	decoder, err := netlink.NewAttributeDecoder(message.Data[generic:])
	if err != nil {
		return arrival{}, err
	}
	var header, ip []byte
	for decoder.Next() {
		switch decoder.Type() {
		case packetHeader:
			header = decoder.Bytes()
		case packetPayload:
			ip = decoder.Bytes()
		}
	}
	if err := decoder.Err(); err != nil {
		return arrival{}, err
	}
	if len(header) < 4 || len(ip) < ipv4HeaderSize {
		return arrival{}, fmt.Errorf("%d bytes about a packet, and %d of it", len(header), len(ip))
	}
	from, _ := netip.AddrFromSlice(ip[12:16])
	to, _ := netip.AddrFromSlice(ip[16:20])
	return arrival{
		id: binary.BigEndian.Uint32(header), from: from, to: to,
		lengthBytes: int(binary.BigEndian.Uint16(ip[2:4])),
	}, nil
}
