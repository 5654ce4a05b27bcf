package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"quoin.dev/api/etcdserverpb"
)

// digitsBytes is the part of a key that differs between keys: a number in hexadecimal.
const digitsBytes = 16

// marker stands for the digits in a message while it is encoded, nowMarker for those of the time when it is sent; no field of
// a request holds them by chance.
const (
	marker    = "\x01key-goes-here\x02\x03"
	nowMarker = "\x01now-goes-here\x02\x03"
)

// leaseMarker stands for the number of a lease. Those of the key space begin with firstLease, so that each is as long when it
// is encoded.
const (
	firstLease  = 1 << 56
	leaseMarker = 0x5ead_beef_0b5e_55ed
)

// keyPrefix is what all keys of the key space start with; otherPrefix is a second key space for transactions.
const (
	keyPrefix   = "/bench/"
	otherPrefix = "/other/"
)

// template is one gRPC message, ready but for the digits of its keys.
type template struct {
	body  []byte // 5 bytes of gRPC prefix, then the encoded message
	holes []int  // where the digits go
	ids   []int  // where the number of the lease goes
	nows  []int  // where the time goes, in nanoseconds since the start of the run
}

// message is what the generated API code offers.
type message interface{ MarshalVT() ([]byte, error) }

func newTemplate(m message) (template, error) {
	encoded, err := m.MarshalVT()
	if err != nil {
		return template{}, fmt.Errorf("encoding %T: %w", m, err)
	}
	t := template{body: make([]byte, 5, 5+len(encoded))}
	binary.BigEndian.PutUint32(t.body[1:], uint32(len(encoded)))
	t.body = append(t.body, encoded...)
	t.holes, t.nows = find(t.body, marker), find(t.body, nowMarker)
	t.ids = find(t.body, string(protowire.AppendVarint(nil, leaseMarker)))
	return t, nil
}

// find lists the places of what.
func find(body []byte, what string) (places []int) {
	for at := 0; ; {
		i := bytes.Index(body[at:], []byte(what))
		if i < 0 {
			return places
		}
		places = append(places, at+i)
		at += i + len(what)
	}
}

// append adds the message with the given key number, sent now, to dst.
func (t *template) append(dst []byte, key uint64, now time.Duration) []byte {
	start := len(dst)
	dst = append(dst, t.body...)
	for _, hole := range t.holes {
		putDigits(dst[start+hole:][:digitsBytes], key)
	}
	for _, hole := range t.ids {
		protowire.AppendVarint(dst[start+hole:start+hole], firstLease+key)
	}
	for _, hole := range t.nows {
		putDigits(dst[start+hole:][:digitsBytes], uint64(now))
	}
	return dst
}

func putDigits(dst []byte, n uint64) {
	const hex = "0123456789abcdef"
	for i := digitsBytes - 1; i >= 0; i-- {
		dst[i] = hex[n&15]
		n >>= 4
	}
}

// markedKey is a key of size bytes whose digits are the marker: the prefix, padding, digits.
func markedKey(prefix string, size int) ([]byte, error) {
	pad := size - len(prefix) - digitsBytes
	if pad < 0 {
		return nil, fmt.Errorf("a key needs at least %d bytes, not %d", len(prefix)+digitsBytes, size)
	}
	return []byte(prefix + string(bytes.Repeat([]byte{'p'}, pad)) + marker), nil
}

// value returns size bytes that do not compress, the same in every run.
func value(size int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	v := make([]byte, size)
	for i := range v {
		v[i] = byte(rng.Uint32())
	}
	return v
}

// workload is everything a connection needs to make requests and judge answers.
type workload struct {
	method    string // path of the RPC
	templates []template
	pick      func(*rand.Rand) int       // the template of the next request
	streaming bool                       // each client keeps a stream for all its requests
	check     func(message []byte) error // full check, run on the first answers of each connection
	minBytes  int                        // no good answer is shorter; checked on every answer
}

// MaxTTL is the longest time to live of leases that end at a given time; grantedTTL is that of others. Both are in seconds.
const (
	MaxTTL     = 120
	grantedTTL = 3600
)

const maxRequestBytes = 16 << 10 // one DATA frame, within every server's first flow-control window

func newWorkload(r Request) (*workload, error) {
	prefix := keyPrefix
	if r.Other {
		prefix = otherPrefix
	}
	key, err := markedKey(prefix, r.KeyBytes)
	if err != nil {
		return nil, err
	}
	var w workload
	var messages []message
	switch r.Kind {
	case Put:
		w.method = etcdserverpb.KV_Put_FullMethodName
		w.check = checkPut
		v := value(r.ValueBytes)
		if r.Timed {
			copy(v, nowMarker)
		}
		p := &etcdserverpb.PutRequest{Key: key, Value: v}
		if r.Leased {
			p.Lease = leaseMarker
		}
		messages = []message{p}
	case Get:
		w.method = etcdserverpb.KV_Range_FullMethodName
		w.check = checkRange(1, 1, false)
		w.minBytes = r.KeyBytes + r.ValueBytes
		messages = []message{&etcdserverpb.RangeRequest{Key: key, Serializable: r.Serializable}}
	case Range:
		w.method = etcdserverpb.KV_Range_FullMethodName
		kvs := r.Keys
		if r.Limit > 0 {
			kvs = min(kvs, r.Limit)
		}
		if r.CountOnly {
			kvs = 0
		}
		w.check = checkRange(r.Keys, kvs, !r.CountOnly && kvs < r.Keys)
		w.minBytes = int(kvs) * (r.KeyBytes + r.ValueBytes)
		messages = []message{&etcdserverpb.RangeRequest{
			Key: []byte(keyPrefix), RangeEnd: prefixEnd(keyPrefix),
			Limit: r.Limit, CountOnly: r.CountOnly, Serializable: r.Serializable,
		}}
	case Grant:
		w.method = etcdserverpb.Lease_LeaseGrant_FullMethodName
		w.check = checkGrant(grantedTTL, grantedTTL)
		grant := func(ttl int64) message {
			g := &etcdserverpb.LeaseGrantRequest{TTL: ttl}
			if r.Leased {
				g.ID = leaseMarker
			}
			return g
		}
		messages = []message{grant(grantedTTL)}
		if !r.Ends.IsZero() {
			w.check, messages = checkGrant(1, MaxTTL), nil
			for ttl := range int64(MaxTTL + 1) {
				messages = append(messages, grant(ttl))
			}
			w.pick = func(*rand.Rand) int { return min(max(int(math.Ceil(time.Until(r.Ends).Seconds())), 0), MaxTTL) }
		}
	case Renew:
		w.method = etcdserverpb.Lease_LeaseKeepAlive_FullMethodName
		w.streaming = true
		w.check = checkRenew
		messages = []message{&etcdserverpb.LeaseKeepAliveRequest{ID: leaseMarker}}
	case TxnMix:
		w.method = etcdserverpb.KV_Txn_FullMethodName
		w.check = checkTxn
		messages = txnMix(key, append([]byte(otherPrefix), key[len(keyPrefix):]...), value(r.ValueBytes))
	default:
		return nil, fmt.Errorf("unknown kind of request %q", r.Kind)
	}
	for _, m := range messages {
		t, err := newTemplate(m)
		if err != nil {
			return nil, err
		}
		if len(t.body) > maxRequestBytes {
			return nil, fmt.Errorf("a request of %d bytes is over the generator's limit of %d", len(t.body), maxRequestBytes)
		}
		w.templates = append(w.templates, t)
	}
	switch {
	case w.pick != nil:
	case len(w.templates) == 1:
		w.pick = func(*rand.Rand) int { return 0 }
	default:
		w.pick = func(rng *rand.Rand) int { return rng.IntN(len(w.templates)) }
	}
	return &w, nil
}

// prefixEnd is the end of the interval of keys that start with prefix, whose last byte must not be 0xff.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	end[len(end)-1]++
	return end
}
