package backend

// Bucket names one of the fixed top-level buckets of the store file.
type Bucket uint8

// The buckets, in no particular order; Name gives what stands in the file.
const (
	// Key holds one row per revision of a key and is append-only: every row sorts after all earlier ones.
	Key Bucket = iota
	Meta
	Lease
	Alarm
	Cluster
	Members
	MembersRemoved
	Auth
	AuthUsers
	AuthRoles

	bucketCount
)

var bucketNames = [bucketCount][]byte{
	Key:            []byte("key"),
	Meta:           []byte("meta"),
	Lease:          []byte("lease"),
	Alarm:          []byte("alarm"),
	Cluster:        []byte("cluster"),
	Members:        []byte("members"),
	MembersRemoved: []byte("members_removed"),
	Auth:           []byte("auth"),
	AuthUsers:      []byte("authUsers"),
	AuthRoles:      []byte("authRoles"),
}

// Name is the name of the bucket in the file.
func (b Bucket) Name() string { return string(bucketNames[b]) }
