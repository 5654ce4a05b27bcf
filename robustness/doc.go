// Package robustness is the test lab: clusters of real members, which are loaded, harmed and judged. README.md tells how to use it;
// `go run ./robustness/cmd/lab --help` teaches the command.
package robustness
