package transcript

// Files are the transcripts, in the order in which they were captured. KV, Txn, Watch, Lease and LockElect share one
// server.
const (
	KV        = "kv"
	Txn       = "txn"
	Misc      = "misc"
	KVExtra   = "kv_extra"
	Lease     = "lease"
	Watch     = "watch"
	LockElect = "lock_elect"
	Auth      = "auth"
)

// plan says what a file expects of the server before its first record, and which records are left out.
type plan struct {
	// after names the file whose end state is the state that this one begins with; "" is an empty store at revision 1.
	after string
	// fillers is how many keys are put before the first record to reach the revision at which it was captured.
	fillers int
	// leases are granted with these ids before the first record.
	leases []int64
	// scripts maps the index of a record to what others did around it.
	scripts map[int]script
	// omitted maps the index of a record to the reason why it is not replayed.
	omitted map[int]string
}

const (
	panics = "etcdctl ends with a Go panic here; quoinctl answers"

	measuring = "it takes a minute, or the metrics of the member, and prints what it has measured"
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
			40: measuring, 41: measuring, 45: measuring,
			39: "the sentence holds the address of the DNS server of the machine",
		},
	},
	Lease: {
		after:   Watch,
		scripts: leaseScripts,
	},
	Watch: {
		after:   Txn,
		scripts: watchScripts,
	},
	LockElect: {
		after:   Lease,
		scripts: lockScripts,
	},
	Auth: {scripts: authScripts},
	KVExtra: {
		after:   "golden directory single37",
		scripts: directoryScripts,
	},
}

// Omitted returns the records of a file that are not replayed, with the reasons.
func Omitted(file string) map[int]string {
	if p, several := clusterPlans[file]; several {
		return p.omitted
	}
	return plans[file].omitted
}

// After names what the server must hold before a file is replayed: another file's end state, a directory, or nothing.
func After(file string) string { return plans[file].after }
