package member

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/leasepb"

	"quoin.dev/server/lease"
)

const (
	leasesPath         = "/leases"
	leasesInternalPath = "/leases/internal"
	// leaseBodyMaxBytes bounds a question about a lease, and leaseAnswerMaxBytes the answer, which may list many keys.
	leaseBodyMaxBytes   = 64 << 10
	leaseAnswerMaxBytes = 256 << 20
	// leaseWait bounds how long a question of another member waits here; it asks again.
	leaseWait = time.Second

	protobufType = "application/protobuf"
)

// vtMessage is a message with generated marshalling.
type vtMessage interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// leaseHandler serves one question about leases to another member, which is to be answered where this one leads.
func (m *Member) leaseHandler(request func() vtMessage, answer func(context.Context, vtMessage) (vtMessage, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, leaseBodyMaxBytes))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
			return
		case err != nil:
			http.Error(w, "error reading body", http.StatusBadRequest)
			return
		}
		question := request()
		if err := question.UnmarshalVT(body); err != nil {
			http.Error(w, "error unmarshalling request", http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), leaseWait)
		defer cancel()
		response, err := answer(ctx, question)
		switch {
		case errors.Is(err, lease.ErrNotFound):
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrTimeout):
			http.Error(w, "waiting for node to catch up its applied index has timed out", http.StatusRequestTimeout)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		encoded, err := response.MarshalVT()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", protobufType)
		_, _ = w.Write(encoded)
	}
}

// handleLeases registers what other members ask of the leader.
func (m *Member) handleLeases(mux *http.ServeMux) {
	mux.HandleFunc(leasesPath, m.leaseHandler(func() vtMessage { return new(pb.LeaseKeepAliveRequest) },
		func(ctx context.Context, question vtMessage) (vtMessage, error) {
			id := question.(*pb.LeaseKeepAliveRequest).ID
			ttl, err := m.renewHere(ctx, lease.ID(id))
			return &pb.LeaseKeepAliveResponse{ID: id, TTL: ttl}, err
		}))
	mux.HandleFunc(leasesInternalPath, m.leaseHandler(func() vtMessage { return new(leasepb.LeaseInternalRequest) },
		func(ctx context.Context, question vtMessage) (vtMessage, error) {
			r := question.(*leasepb.LeaseInternalRequest).LeaseTimeToLiveRequest
			if r == nil {
				r = new(pb.LeaseTimeToLiveRequest)
			}
			response, err := m.timeToLiveHere(ctx, r)
			if response != nil {
				response.Header = new(pb.ResponseHeader)
			}
			return &leasepb.LeaseInternalResponse{LeaseTimeToLiveResponse: response}, err
		}))
}

// renewThere asks the leader to renew a lease.
func (m *Member) renewThere(ctx context.Context, peerURL string, id lease.ID) (int64, error) {
	response := new(pb.LeaseKeepAliveResponse)
	err := m.askLeader(ctx, peerURL+leasesPath, &pb.LeaseKeepAliveRequest{ID: int64(id)}, response)
	return response.TTL, err
}

// timeToLiveThere asks the leader what is left of a lease.
func (m *Member) timeToLiveThere(ctx context.Context, peerURL string, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	response := new(leasepb.LeaseInternalResponse)
	err := m.askLeader(ctx, peerURL+leasesInternalPath, &leasepb.LeaseInternalRequest{LeaseTimeToLiveRequest: r}, response)
	if err != nil {
		return nil, err
	}
	if response.LeaseTimeToLiveResponse == nil {
		return nil, fmt.Errorf("member: the answer of %s holds nothing", peerURL)
	}
	response.LeaseTimeToLiveResponse.Header = nil
	return response.LeaseTimeToLiveResponse, nil
}

func (m *Member) askLeader(ctx context.Context, url string, question, answer vtMessage) error {
	body, err := question.MarshalVT()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", protobufType)
	response, err := m.peerClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, leaseAnswerMaxBytes))
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound:
		return lease.ErrNotFound
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("member: %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return answer.UnmarshalVT(body)
}
