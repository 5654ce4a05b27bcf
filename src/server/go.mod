module quoin.dev/server

go 1.26.0

require (
	github.com/coreos/go-semver v0.3.1
	github.com/onsi/gomega v1.44.0
	github.com/prometheus/client_golang v1.25.0
	github.com/spf13/pflag v1.0.9
	go.etcd.io/bbolt v1.5.0
	go.etcd.io/raft/v3 v3.7.0
	go.uber.org/zap v1.28.0
	golang.org/x/net v0.60.0
	golang.org/x/sys v0.48.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	quoin.dev/api v0.1.0
	quoin.dev/client v0.1.0
	quoin.dev/pkg v0.1.0
	quoin.dev/storage v0.1.0
	sigs.k8s.io/yaml v1.6.0
)
