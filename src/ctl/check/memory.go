package check

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	memoryMetric = "process_resident_memory_bytes"
	maxMetrics   = 16 << 20 // bytes
)

// ErrNoMemory is returned by ResidentMemory for a member that does not tell.
var ErrNoMemory = errors.New("could not find: " + memoryMetric)

// ResidentMemory asks a member, host:port or a URL, how much memory it has, in bytes. It reads the metrics beside the RPCs.
func ResidentMemory(ctx context.Context, endpoint string, secure *tls.Config) (int64, error) {
	scheme, address, found := strings.Cut(endpoint, "://")
	if !found {
		scheme, address = "http", endpoint
		if secure != nil {
			scheme = "https"
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("fetch error: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: secure}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, fmt.Errorf("fetch error: %w", err)
	}
	defer resp.Body.Close()
	return residentMemory(io.LimitReader(resp.Body, maxMetrics))
}

// residentMemory finds the metric, a line `name value` with the value of a float.
func residentMemory(metrics io.Reader) (int64, error) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), memoryMetric+" "); found {
			value, err := strconv.ParseFloat(text, 64)
			return int64(value), err
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("fetch error: %w", err)
	}
	return 0, ErrNoMemory
}
