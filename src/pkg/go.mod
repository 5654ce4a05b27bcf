module quoin.dev/pkg

go 1.26.0

require (
	github.com/onsi/gomega v1.44.0
	go.uber.org/zap v1.28.0
	golang.org/x/sys v0.48.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)
