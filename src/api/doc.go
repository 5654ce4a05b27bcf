// Package api is the root of the wire contract: the messages and services in the folders named …pb, each with its .proto
// file and the code generated from it, and the errors, versions and codecs that belong to them.
//
// Its test holds all of them to testdata/wire.json, the facts about the API of etcd 3.7.3.
package api
