package command

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

// setup reads the environment and makes the printer; every command that talks to a member calls it first.
func (a *app) setup(cmd *cobra.Command, valueOnly bool) (printer.Printer, error) {
	if err := a.loadEnv(cmd); err != nil {
		return nil, err
	}
	if a.flags.debug {
		a.dumpEnv(cmd)
		if a.LogConnections != nil {
			a.LogConnections(a.Stderr)
		}
	}
	out, err := printer.New(a.flags.writeOut, a.Stdout,
		printer.Options{Hex: a.flags.hex, ValueOnly: valueOnly, Err: a.Stderr})
	if err != nil {
		return nil, exit(badFeature, err)
	}
	return out, nil
}

// connect returns a client of the endpoints of the flags. The caller closes it.
func (a *app) connect() (*client.Client, error) {
	cfg, err := a.clientConfig()
	if err != nil {
		return nil, err
	}
	return dial(cfg)
}

func dial(cfg client.Config) (*client.Client, error) {
	c, err := client.New(cfg)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(requestError(err), context.DeadlineExceeded):
		return nil, failed(err)
	default:
		return nil, exit(badConnection, err)
	}
}

// clientConfig turns the global flags into the settings of a client, asking DNS for the endpoints and the operator for
// the password where the flags say so.
func (a *app) clientConfig() (client.Config, error) {
	f := &a.flags
	cfg := a.commonConfig()
	cfg.Token = f.token
	var err error
	if cfg.Endpoints, err = f.resolveEndpoints(a.ctx, net.DefaultResolver.LookupSRV); err != nil {
		return cfg, exit(failure, err)
	}
	if err = f.secure(&cfg); err != nil {
		return cfg, exit(badArguments, err)
	}
	if f.token == "" { // which makes both needless
		cfg.Username, cfg.Password, err = a.splitUser(f.user, f.password, "Password: ")
	}
	return cfg, err
}

// commonConfig holds the settings that do not depend on the cluster.
func (a *app) commonConfig() client.Config {
	f := &a.flags
	cfg := client.Config{
		Context:              a.ctx,
		DialTimeout:          f.dialTimeout,
		DialKeepAliveTime:    f.keepAliveTime,
		DialKeepAliveTimeout: f.keepAliveTimeout,
		MaxCallSendMsgSize:   f.maxRequestBytes,
		MaxCallRecvMsgSize:   f.maxRecvBytes,
	}
	if !f.debug {
		// The command prints the error that counts; attempts that failed on the way to it are for --debug.
		cfg.Logger = zap.NewNop()
	}
	return cfg
}

// splitUser reads name:password. The name alone, without a password of its own, asks for the password.
func (a *app) splitUser(user, password, prompt string) (string, string, error) {
	switch {
	case user == "":
		return "", "", nil
	case password != "":
		return user, password, nil
	}
	name, password, found := strings.Cut(user, ":")
	if !found {
		var err error
		if password, err = a.askPassword(prompt); err != nil {
			return "", "", exit(ioFailure, err)
		}
	}
	return name, password, nil
}

// request bounds one request.
func (a *app) request() (context.Context, context.CancelFunc) {
	return context.WithTimeout(a.ctx, a.flags.commandTimeout)
}

// memberEndpoints returns the client URLs that the members advertise, in the order of the member list.
func (a *app) memberEndpoints(cfg client.Config) ([]string, error) {
	c, err := client.New(cfg)
	if err != nil {
		return nil, exit(failure, err)
	}
	defer c.Close()
	ctx, cancel := a.request()
	defer cancel()
	list, err := c.MemberList(ctx)
	if err != nil {
		return nil, exit(failure, &memberListError{requestError(err)})
	}
	var endpoints []string
	for _, m := range list.GetMembers() {
		endpoints = slices.Concat(endpoints, m.GetClientURLs())
	}
	return endpoints, nil
}

type memberListError struct{ err error }

func (e *memberListError) Error() string {
	return "failed to fetch endpoints from etcd cluster member list: " + e.err.Error()
}

func (e *memberListError) Unwrap() error { return e.err }
