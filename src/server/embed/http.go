package embed

import (
	"net/http"
	"net/http/pprof"
	"strings"

	"golang.org/x/net/trace"
	"google.golang.org/grpc"

	"quoin.dev/server/gateway"
	"quoin.dev/server/probe"
	"quoin.dev/server/webguard"
)

// clientHandler answers HTTP on the client port: everything that is not gRPC.
func (s *Server) clientHandler() (http.Handler, error) {
	mux := http.NewServeMux()
	probe.Register(mux, s.Member, &s.checks)
	mux.Handle("/metrics", s.web.metrics)
	mux.HandleFunc("/version", s.Member.ServeVersion)
	mux.HandleFunc("/debug/vars", s.serveVars)
	if s.web.gateway != nil {
		mux.Handle(gateway.Path, s.web.gateway)
		mux.Handle(gateway.BetaPath, s.web.gateway)
		mux.HandleFunc(strings.TrimSuffix(gateway.BetaPath, "/"), http.NotFound) // instead of a redirect
	}
	debug := s.cfg.Logging.Level == "debug"
	if s.cfg.HTTP.EnablePprof || debug {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	if debug { // for who asks from this machine
		mux.HandleFunc("/debug/requests", trace.Traces)
		mux.HandleFunc("/debug/events", trace.Events)
	}
	return webguard.New(webguard.Options{Origins: s.cfg.HTTP.CORS, Hosts: s.cfg.HTTP.HostWhitelist}, mux)
}

// metricsHandler answers on the further ports for those who look after members.
func (s *Server) metricsHandler() http.Handler {
	mux := http.NewServeMux()
	probe.Register(mux, s.Member, &s.checks)
	mux.Handle("/metrics", s.web.metrics)
	return mux
}

// orGRPC serves requests of gRPC that come over a connection whose first request was none; a proxy may mix them.
func orGRPC(server *grpc.Server, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			server.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
