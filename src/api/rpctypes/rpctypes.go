// Package rpctypes holds the errors and metadata keys of the wire: what a member answers and what a client makes of it.
//
// An ErrGRPC… variable is what a service method returns: a gRPC status with a fixed code and a fixed text. The variable
// without GRPC in its name is the same error as a client returns it to its caller. Names, codes and texts are those of
// the etcd 3.7 API.
package rpctypes

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Metadata keys and values of requests.
const (
	// MetadataRequireLeaderKey asks the member to refuse or end a call while it knows no leader.
	MetadataRequireLeaderKey = "hasleader"
	// MetadataHasLeader is the value under MetadataRequireLeaderKey.
	MetadataHasLeader = "true"
	// MetadataClientAPIVersionKey carries the API version of the client.
	MetadataClientAPIVersionKey = "client-api-version"
	// TokenFieldNameGRPC carries the authentication token of a gRPC request.
	TokenFieldNameGRPC = "token"
	// TokenFieldNameSwagger carries the authentication token of a request through the JSON gateway.
	TokenFieldNameSwagger = "authorization"
)

// EtcdError is an error that a member answered, in the form that clients return. It is comparable.
type EtcdError struct {
	code codes.Code
	desc string
}

// Code returns the gRPC code that is declared for the error.
func (e EtcdError) Code() codes.Code { return e.code }

// Error returns the text of the error without the "rpc error" frame of a gRPC status.
func (e EtcdError) Error() string { return e.desc }

// Error returns the EtcdError for an error that carries the text of a known wire error, and any other error unchanged.
// The code of the result is the declared one, whatever code the error arrived with.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := known[ErrorDesc(err)]; ok {
		return e
	}
	return err
}

// ErrorDesc returns the text of an error without the "rpc error" frame of a gRPC status.
func ErrorDesc(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

func byText(wire ...error) map[string]EtcdError {
	m := make(map[string]EtcdError, len(wire))
	for _, err := range wire {
		s := status.Convert(err)
		m[s.Message()] = EtcdError{code: s.Code(), desc: s.Message()}
	}
	return m
}
