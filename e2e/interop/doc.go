// Package interop holds quoin to etcd 3.7.3: etcd's published client and command line against quoin's server, quoin's
// against etcd's, both at once, the same requests to both servers, clusters of both, and data directories that change hands.
//
// It is a module outside of the workspace, since two copies of one proto package cannot share a process. Run it here:
//
//	GOWORK=off go test -count=1 ./...
//	INTEROP_SERVER=etcd GOWORK=off go test -count=1 ./...      # the suite against itself: etcd in both roles
//	INTEROP_SEED=42 GOWORK=off go test -run TestRandom ./...   # replay what a failure printed
//	INTEROP_OPS=100000 GOWORK=off go test -run TestRandom -timeout 1h ./...
package interop
