// Package dnstest is a name server for tests, on a loopback address, that knows what it was told and nothing else.
package dnstest

import (
	"context"
	"errors"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// Zone is what a server knows: the SRV records of names such as "_etcd-server._tcp.example.org", and addresses (IPv4) of hosts.
// Names are written without the dot at their end.
type Zone struct {
	SRV  map[string][]net.SRV
	Host map[string]string
}

// Server answers questions over UDP.
type Server struct {
	conn  net.PacketConn
	ended chan struct{}
	zone  Zone
}

// messageMaxBytes is the most that a question over UDP has (RFC 1035, and more with EDNS0).
const messageMaxBytes = 4096

// Listen begins to answer at an address such as "127.0.0.1:0".
func Listen(address string, zone Zone) (*Server, error) {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, ended: make(chan struct{}), zone: zone}
	go s.serve()
	return s, nil
}

// Close ends the server.
func (s *Server) Close() {
	_ = s.conn.Close()
	<-s.ended
}

// Resolver asks this server and nobody else.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *Server) serve() {
	defer close(s.ended)
	buffer := make([]byte, messageMaxBytes)
	for {
		n, from, err := s.conn.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if reply, err := s.answer(buffer[:n]); err == nil {
			_, _ = s.conn.WriteTo(reply, from)
		}
	}
}

// answer replies to a question; that there is no such name if nothing is known of it.
func (s *Server) answer(question []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := parser.Question()
	if err != nil {
		return nil, err
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	records, address := s.zone.SRV[name], net.ParseIP(s.zone.Host[name]).To4()
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case records == nil && address == nil:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && address != nil:
		reply.Answers = append(reply.Answers, resource(q, &dnsmessage.AResource{A: [4]byte(address)}))
	case q.Type == dnsmessage.TypeSRV:
		for _, r := range records {
			target, err := dnsmessage.NewName(r.Target + ".")
			if err != nil {
				return nil, err
			}
			reply.Answers = append(reply.Answers, resource(q, &dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: target}))
		}
	}
	return reply.Pack()
}

func resource(q dnsmessage.Question, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: body}
}
