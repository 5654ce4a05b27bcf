package transcript

import (
	"context"
	"strings"
)

// Files that were captured from several members, or from one whose ids and sizes are in messages: their records are compared
// in canonical form. NoQuorum begins with what Cluster has left behind.
const (
	Cluster  = "cluster"
	NoQuorum = "noquorum"
	NoSpace  = "alarm_nospace"
)

// NoSpaceFlag is what the member of NoSpace was started with.
const NoSpaceFlag = "--quota-backend-bytes=300000"

// clusterPlan says what happened around the records of such a file.
type clusterPlan struct {
	// guest is the interval of records that a further member takes part in; without one they are left out.
	guest [2]int
	// before is done before the record with the index.
	before map[int]func(context.Context, *clusterStage) error
	// instead, if set, changes what was captured to what has to come now.
	instead *strings.Replacer
	// omitted maps the index of a record to the reason why it is not replayed.
	omitted map[int]string
}

const (
	races = "whether the leader has moved the version of the cluster already is a matter of seconds; what it does is done before the next"
)

var clusterPlans = map[string]clusterPlan{
	Cluster: {
		before: map[int]func(context.Context, *clusterStage) error{
			// Who led when it was captured; a busy machine may have changed it since the last of these.
			1: leadBy("three"), 11: leadBy("three"), 16: leadBy("three"), 47: leadBy("three"), 50: leadBy("three"), 51: leadBy("three"),
			52: leadBy("one"), 57: leadBy("one"), 127: leadBy("one"), 178: leadBy("one"), 185: leadBy("one"),
			2:   storageVersion("3.7.0"), // the leader of a cluster that has just come up may need a while
			66:  putFillers(30),
			150: invite, 151: welcome, 164: bidFarewell,
			177: storageVersion("3.6.0"),
			187: clusterVersion, 190: clusterVersion, 192: clusterVersion, 194: cancelDowngrade,
			197: storageVersion("3.6.0"),
		},
		guest:   [2]int{150, 164},
		omitted: map[int]string{94: "the examples in the usage text are those of etcdctl", 186: races, 193: races},
	},
	NoQuorum: {
		// The cluster has gone up again from the downgrade that was called off.
		instead: strings.NewReplacer("3.6.0", "3.7.0"),
		omitted: map[int]string{
			10: "quoin says after seven seconds that the request timed out; with etcd the client repeats it until its time is over",
		},
	},
	NoSpace: {
		// Which put is one too many is a matter of how a server stores them. One of nearly the whole quota always is.
		before: map[int]func(context.Context, *clusterStage) error{
			3: refusedPut, 31: refusedPut, 33: refusedPut, 36: refusedPut, 39: refusedPut,
		},
	},
}
