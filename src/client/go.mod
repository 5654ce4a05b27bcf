module quoin.dev/client

go 1.26.0

require (
	github.com/onsi/gomega v1.44.0
	go.uber.org/zap v1.28.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	quoin.dev/api v0.1.0
	quoin.dev/pkg v0.1.0
)
