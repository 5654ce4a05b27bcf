module quoin.dev/storage

go 1.26.0

require (
	github.com/onsi/gomega v1.44.0
	go.etcd.io/bbolt v1.5.0
	go.etcd.io/raft/v3 v3.7.0
	go.uber.org/zap v1.28.0
	golang.org/x/sys v0.48.0
	google.golang.org/protobuf v1.36.12
	quoin.dev/api v0.1.0
	quoin.dev/pkg v0.1.0
)
