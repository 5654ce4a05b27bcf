// Package version holds the two version numbers of quoin: the one the cluster speaks and the one the product carries.
package version

import (
	"fmt"
	"runtime"
)

const (
	// API is the version of the etcd contract that this code implements. Members negotiate the cluster version with
	// it, and /version reports it as etcdserver.
	API = "3.7.3"

	// MinCluster is the oldest cluster version that a member of this code can join.
	MinCluster = "3.0.0"
)

// Product is the version of quoin itself. It says nothing about compatibility on the wire. A release sets it by the
// linker; what stands here is the version under development, kept by `go run ./tools/release modules update-versions`.
var Product = "0.1.0"

// GitSHA is the commit of the build, set by the linker; empty in a plain `go build`.
var GitSHA string

// Text is what --version prints: the API version first, on the line that scripts written for etcd look for.
func Text() string {
	sha := GitSHA
	if sha == "" {
		sha = "unknown (plain go build)"
	}
	return fmt.Sprintf("etcd Version: %s\nquoin Version: %s\nGit SHA: %s\nGo Version: %s\nGo OS/Arch: %s/%s\n",
		API, Product, sha, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
