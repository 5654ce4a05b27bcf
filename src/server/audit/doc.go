// Package audit writes down who asked for what, and whether it was allowed.
//
// Each line is a JSON object:
//
//	time         RFC 3339 in UTC, with microseconds
//	user         whose token or certificate it was; left out for nobody, and while authentication is off
//	address      where the request came from; "bufconn" for the JSON gateway of this member
//	forwarded    what the request says about whom it is sent for; of those that came through the gateway of this member, the
//	             last address is true
//	certificate  the common name of the certificate that the client has shown
//	method       of gRPC, as /etcdserverpb.KV/Put
//	targets      what it was about: keys, leases, users, roles, members; at most 16, more says how many are left out
//	outcome      allowed; denied, for want of permission or credentials; or failed for another reason
//	code, reason the gRPC code and message of a request that was not answered
//	revision     of the key space, with the answer
//
// A key that is not UTF-8 is written in base64, as key_base64, and of a long one only the beginning, with its length as
// key_bytes. Values, passwords and tokens are never written.
//
// A request with one answer is written when that is known, a stream once: with its first answer, or at its end if there was
// none. Each watch of a stream has a line of its own, the renewals of leases do not. One that is denied later has another.
//
// Lines are written in the background, and in order. Up to 4096 of them wait; then requests wait for the disk, but not longer
// than 100 ms, since a store that can not be read is worse than a hole in its log. Lines that are lost for that reason, or since
// they can not be written, are counted: a line {"time":…,"lost":N} stands where they are missing, the log of the member warns,
// and so do the metrics quoin_audit_lines_total and quoin_audit_lost_lines_total.
package audit
