package transcript

import "strings"

// What others did while the watches were captured follows from the revisions and values that these were told.
var (
	// change is what most watches are told of.
	change = []step{put("w1", "a"), put("w1", "b"), del("w1")}

	watchScripts = map[int]script{
		0:  {during: change},
		1:  {during: change},
		2:  {during: change},
		3:  {during: change},
		4:  {during: change},
		5:  {during: change},
		6:  {during: change},
		7:  {during: []step{put("w1", "a")}},
		13: {during: []step{put("w1", "a"), del("w1")}},
		15: {during: []step{put("w1", "a")}, watches: 2, unordered: true},
		19: {during: []step{put("w1", "e")}},
		20: {during: []step{put("w1", "e")}},
		25: {before: []step{compact(5)}},
	}
)

// Two leases of two seconds have to live until the list of record 59 is made, and that of record 62 has to be over.
var (
	alive = script{before: []step{renew(52, 54)}}

	leaseScripts = map[int]script{
		3: {granted: 0x6dfaa2040b880cc3}, // by the list of record 24, between those that were told
		4: {granted: 0x6dfaa2040b880cc5},
		// The sentence of etcdctl shows the response as Go prints it, with an address in memory.
		46: {instead: func(r *Record) { r.Stderr = "Error: protobuf not supported as output format\n" }},
		53: alive, 54: alive, 55: alive, 56: alive, 57: alive, 58: alive, 59: alive,
		63: {before: []step{over(62)}},
	}
)

// etcdctl has left the lock of record 4, and the office of record 14, to a lease that ran out: it could not print the table.
var lockScripts = map[int]script{
	0:  {granted: 0x6dfaa2040b880ce9},
	1:  {granted: 0x6dfaa2040b880cee},
	2:  {granted: 0x6dfaa2040b880cf3},
	3:  {granted: 0x6dfaa2040b880cf8},
	5:  {before: []step{hold("lk", 1)}, during: []step{lined("lk", 2)}},
	6:  {before: []step{revoke(1)}},
	10: {granted: 0x6dfaa2040b880d15},
	11: {granted: 0x6dfaa2040b880d1a},
	12: {granted: 0x6dfaa2040b880d21},
	13: {granted: 0x6dfaa2040b880d27},
	15: {before: []step{hold("el", 2)}, during: []step{lined("el", 2)}},
	16: {before: []step{lead("el2", "propA", 0x6dfaa2040b880d37)}},
}

var directoryScripts = map[int]script{
	// etcd 3.7 leaves the lease out of an answer with keys only; quoin keeps it (etcd#22209).
	1: {instead: func(r *Record) { r.Stdout = strings.Replace(r.Stdout, `"version":1`, `"version":1,"lease":42`, 1) }},
}

var authScripts = map[int]script{
	// What is refused is said in the same words everywhere, also about a snapshot.
	184: {instead: func(r *Record) { r.Stderr = "Error: etcdserver: permission denied\n" }},
}
