// Package load sends gRPC requests to one server as fast as it answers them and measures the answers.
//
// It is a closed loop: every client sends its next request when the previous one was answered, as etcd's own benchmark
// does. So that a small machine spends its time on the server and not on the generator, it does not use a gRPC library:
// a request is a template encoded once by the generated API code in which only the key is overwritten, and each
// connection is one goroutine that writes and reads plain HTTP/2 frames. On the wire it is an ordinary gRPC client.
//
//	Spec ──▶ Run ──▶ conn (one goroutine each) ──▶ frames
//	           │        └─ histogram of latencies
//	           └─ samples the server's CPU time at both ends of the measured window
package load
