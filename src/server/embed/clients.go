package embed

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"

	"go.uber.org/zap"

	"quoin.dev/server/config"
	"quoin.dev/server/gateway"
	"quoin.dev/server/metrics"
	"quoin.dev/server/oneport"
	"quoin.dev/server/rpc"
)

// messageRoom is how many times larger than a message of gRPC one in JSON may be: bytes are base64 there, and names are spelled out.
const messageRoom = 2

// clientListeners are open ports, by what is served on them.
type clientListeners struct {
	grpc    []net.Listener // and HTTP, unless that has ports of its own
	http    []net.Listener
	metrics []net.Listener
}

// listen opens all of them, or none.
func (l *clientListeners) listen(cfg *config.Config, how listening) error {
	for _, open := range []struct {
		urls []url.URL
		to   *[]net.Listener
	}{{cfg.ListenClientURLs, &l.grpc}, {cfg.ListenClientHTTPURLs, &l.http}, {cfg.ListenMetricsURLs, &l.metrics}} {
		var err error
		if *open.to, err = listen(open.urls, how); err != nil {
			l.close()
			return err
		}
	}
	return nil
}

func (l *clientListeners) close() {
	closeAll(l.grpc)
	closeAll(l.http)
	closeAll(l.metrics)
}

// web is what serves HTTP to clients, once they are served.
type web struct {
	ports   []*oneport.Port
	servers []*http.Server
	gateway *gateway.Gateway // nil if it is not wanted
	metrics http.Handler
}

// openClients serves all listeners of clients.
func (s *Server) openClients() (err error) {
	calls := rpc.NewMeter(s.cfg.Metrics == "extensive")
	options := rpc.Options{
		Meter:                calls,
		Credentials:          oneport.Credentials(),
		CertificatesName:     s.cfg.Security.ClientTLS.ClientCertAuth,
		MaxConcurrentStreams: s.cfg.Limits.MaxConcurrentStreams,
		KeepAliveMinTime:     s.cfg.GRPC.KeepAliveMinTime,
		KeepAliveInterval:    s.cfg.GRPC.KeepAliveInterval,
		KeepAliveTimeout:     s.cfg.GRPC.KeepAliveTimeout,
		SlowAfter:            s.cfg.WarningUnaryRequestDuration,
		Logger:               s.logger,
		Audit:                s.audits,
	}
	if s.tracing != nil {
		options.Tracing = s.tracing.Handler()
	}
	s.grpc = rpc.NewServer(s.Member, options)
	s.web.metrics = metrics.Handler(metrics.Options{Config: s.cfg, Member: s.Member, Calls: calls, Checks: &s.checks, Audit: s.audits, Certificates: s.certificates})
	if s.cfg.HTTP.EnableGateway {
		s.web.gateway, err = gateway.New(s.grpc, gateway.Options{
			MaxMessageBytes: messageRoom * (s.Member.MaxRequestBytes() + rpc.OverheadBytes),
			AuthEnabled:     func() bool { return s.Member.Auth().Enabled() },
		})
		if err != nil {
			return fmt.Errorf("embed: %w", err)
		}
	}
	handler, err := s.clientHandler()
	if err != nil {
		return fmt.Errorf("embed: %w", err)
	}
	s.serve(s.memory, s.grpc.Serve)
	apart := len(s.clients.http) > 0
	s.servePorts(s.clients.grpc, oneport.Options{NoHTTP: apart}, orGRPC(s.grpc, handler))
	s.servePorts(s.clients.http, oneport.Options{NoGRPC: true}, handler)
	s.servePorts(s.clients.metrics, oneport.Options{NoGRPC: true}, s.metricsHandler())
	return nil
}

// servePorts serves listeners that speak the same.
func (s *Server) servePorts(listeners []net.Listener, speak oneport.Options, handler http.Handler) {
	server := oneport.NewHTTPServer(handler, s.cfg.Limits.MaxConcurrentStreams)
	server.ErrorLog = zap.NewStdLog(s.logger)
	s.web.servers = append(s.web.servers, server)
	speak.Logger = s.logger
	for _, l := range listeners {
		port := oneport.New(l, speak)
		s.web.ports = append(s.web.ports, port)
		s.serve(port.GRPC, s.grpc.Serve)
		s.serve(port.HTTP, server.Serve)
		s.logger.Info("serving client traffic", zap.Stringer("address", l.Addr()),
			zap.Bool("grpc", !speak.NoGRPC), zap.Bool("http", !speak.NoHTTP))
	}
}

// stopClients lets requests finish for a moment. Their listeners are closed already.
func (s *Server) stopClients() {
	for _, port := range s.web.ports {
		_ = port.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var stopping sync.WaitGroup
	if s.grpc != nil {
		stopping.Go(func() { s.stopGRPC(ctx) })
	}
	for _, server := range s.web.servers {
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
	if s.web.gateway != nil {
		s.web.gateway.Close()
	}
	stopping.Wait()
}

// stopGRPC stops it in order until ctx ends, and then at once.
func (s *Server) stopGRPC(ctx context.Context) {
	stopped := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		// A client in the middle of its greeting would hold up gRPC until it has waited long enough for the rest.
		for _, port := range s.web.ports {
			port.GRPC.Cut()
		}
		s.grpc.Stop()
		<-stopped
	}
}

// stopTracing sends the spans that are left, if the collector takes them at once.
func (s *Server) stopTracing() {
	if s.tracing == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.tracing.Close(ctx); err != nil {
		s.logger.Warn("lost the last spans", zap.Error(err))
	}
}

// certificates are what ends, in the terms of metrics.
func (s *Server) certificates() []metrics.Certificate {
	var all []metrics.Certificate
	for _, e := range s.certs.Expiries() {
		all = append(all, metrics.Certificate{Use: e.Use, Kind: e.Kind, File: e.File, Subject: e.Subject, End: e.At})
	}
	return all
}
