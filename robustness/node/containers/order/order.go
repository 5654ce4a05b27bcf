// Package order is what the lab and the gate of a container have agreed on.
package order

// Paths in a container, and the exit code of a gate that could not become the program.
const (
	Program    = "/program"
	Gate       = "/gate"
	Dir        = "/lab"
	SocketName = "gate"
	Socket     = Dir + "/" + SocketName
	GateFailed = 125
)

// Order is what the gate is to become. It comes behind one byte with the file of the log.
type Order struct {
	Name      string // what the program calls itself
	Args, Env []string
}
