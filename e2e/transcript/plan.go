package transcript

import "strings"

// Files are the transcripts, in the order in which they were captured. KV and Txn share one server.
const (
	KV        = "kv"
	Txn       = "txn"
	Misc      = "misc"
	KVExtra   = "kv_extra"
	Lease     = "lease"
	Watch     = "watch"
	LockElect = "lock_elect"
)

// plan says what a file expects of the server before its first record, and which records are left out.
type plan struct {
	// after names the file whose end state is the state that this one begins with; "" is an empty store at revision 1.
	after string
	// fillers is how many keys are put before the first record to reach the revision at which it was captured.
	fillers int
	// leases are granted with these ids before the first record.
	leases []int64
	// omitted maps the index of a record to the reason why it is not replayed.
	omitted map[int]string
}

const (
	panics = "etcdctl ends with a Go panic here; quoinctl answers"
	later  = "the command comes with a later issue"

	endless  = "it ends by an interrupt, which the replay does not send"
	others   = "it takes what others did meanwhile, which was not recorded"
	unnamed  = "it holds ids of leases that no captured output tells the grant of"
	expiring = "the answer depends on whether a short lease is over already"
)

var plans = map[string]plan{
	KV: {
		leases:  []int64{0x6dfaa2040b880c18},
		omitted: map[int]string{20: "the id is in encoded responses later on, so the lease is granted with it beforehand"},
	},
	Txn: {
		after: KV,
		omitted: map[int]string{
			19: panics + ": a comparison of a lease works",
			22: panics + ": an unknown operator is a malformed comparison, exit code 3",
		},
	},
	Misc: {
		fillers: 4,
		omitted: map[int]string{
			38: later, 40: later, 41: later, 42: later, 43: later, 44: later, 45: later,
			39: "the sentence holds the address of the DNS server of the machine",
		},
	},
	Lease: {
		fillers: 92,
		omitted: map[int]string{
			24: unnamed, 25: unnamed, 26: unnamed, 59: unnamed,
			34: endless,
			46: "the sentence holds an address in the memory of etcdctl",
			63: expiring, 64: expiring, 65: expiring,
		},
	},
	Watch: {
		omitted: map[int]string{
			0: endless, 1: endless, 2: endless, 4: endless, 5: endless, 6: endless, 7: endless, 8: endless, 9: endless,
			10: endless, 11: endless, 12: endless, 13: endless, 14: endless, 15: endless, 19: endless, 20: endless, 22: endless,
			3:  others,
			25: others, 26: others,
		},
	},
	LockElect: {
		omitted: map[int]string{
			0: endless, 1: endless, 2: endless, 3: endless, 5: endless, 10: endless, 11: endless, 12: endless, 13: endless,
			15: endless, 16: endless, 17: endless, 18: endless, 20: endless,
			19: others,
		},
	},
	KVExtra: {
		after: "golden directory single37",
		omitted: map[int]string{
			1:  "etcd 3.7 leaves the lease out of an answer with keys only; quoin keeps it (etcd#22209)",
			10: endless,
			18: "what is left of the lease depends on how long ago it was granted",
		},
	},
}

// Omitted returns the records of a file that are not replayed, with the reasons.
func Omitted(file string) map[int]string { return plans[file].omitted }

// After names what the server must hold before a file is replayed: another file's end state, a directory, or nothing.
func After(file string) string { return plans[file].after }

// absent are the groups of commands in a captured usage text that have no command yet.
var absent = []string{"Authentication commands"}

// wanted reports whether a line of a captured usage text must be in that of the program.
func wanted(usageLine string) bool {
	for _, group := range absent {
		if usageLine == group {
			return false
		}
	}
	return strings.TrimSpace(usageLine) != ""
}
