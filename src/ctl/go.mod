module quoin.dev/ctl

go 1.26.0

require (
	github.com/olekukonko/tablewriter v1.1.5
	github.com/onsi/gomega v1.44.0
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.10
	go.uber.org/zap v1.28.0
	golang.org/x/term v0.46.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	quoin.dev/api v0.1.0
	quoin.dev/client v0.1.0
	quoin.dev/pkg v0.1.0
)
