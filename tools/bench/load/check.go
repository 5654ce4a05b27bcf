package load

import (
	"fmt"

	"quoin.dev/api/etcdserverpb"
)

func checkPut(data []byte) error {
	var r etcdserverpb.PutResponse
	if err := r.UnmarshalVT(data); err != nil {
		return fmt.Errorf("decoding a put response: %w", err)
	}
	if r.Header == nil {
		return fmt.Errorf("a put response has no header")
	}
	return nil
}

func checkGrant(least, most int64) func([]byte) error {
	return func(data []byte) error {
		var r etcdserverpb.LeaseGrantResponse
		if err := r.UnmarshalVT(data); err != nil {
			return fmt.Errorf("decoding a lease grant response: %w", err)
		}
		if r.ID == 0 || r.TTL < least || r.TTL > most || r.Error != "" {
			return fmt.Errorf("a lease was granted as %d for %d s: %s", r.ID, r.TTL, r.Error)
		}
		return nil
	}
}

// checkRenew expects that the lease is there.
func checkRenew(data []byte) error {
	var r etcdserverpb.LeaseKeepAliveResponse
	if err := r.UnmarshalVT(data); err != nil {
		return fmt.Errorf("decoding a keepalive response: %w", err)
	}
	if r.ID < firstLease || r.TTL != grantedTTL {
		return fmt.Errorf("lease %d was renewed for %d s", r.ID, r.TTL)
	}
	return nil
}

func checkTxn(data []byte) error {
	var r etcdserverpb.TxnResponse
	if err := r.UnmarshalVT(data); err != nil {
		return fmt.Errorf("decoding a txn response: %w", err)
	}
	if len(r.Responses) < 1 {
		return fmt.Errorf("a txn response has no responses")
	}
	return nil
}

// checkRange expects exactly this many keys, so that a server which loses some does not look fast.
func checkRange(count, kvs int64, more bool) func([]byte) error {
	return func(data []byte) error {
		var r etcdserverpb.RangeResponse
		if err := r.UnmarshalVTUnsafe(data); err != nil {
			return fmt.Errorf("decoding a range response: %w", err)
		}
		if r.Count != count || int64(len(r.Kvs)) != kvs || r.More != more {
			return fmt.Errorf("range response: expected count %d, %d kvs, more %v; found count %d, %d kvs, more %v",
				count, kvs, more, r.Count, len(r.Kvs), r.More)
		}
		return nil
	}
}
