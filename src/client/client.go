package client

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	"quoin.dev/client/internal/balance"
)

// Client is a connection to a cluster.
type Client struct {
	Auth
	Cluster
	KV
	Lease
	Maintenance
	Watcher

	// Username and Password are those of the Config.
	Username string
	Password string

	cfg    Config
	lg     *zap.Logger
	ctx    context.Context
	cancel context.CancelFunc
	conn   *grpc.ClientConn // nil in a client made by NewCtxClient
	access *access
	loops  sync.WaitGroup

	mu        sync.Mutex // guards the two below; no call is made under it
	endpoints []string
	resolver  *balance.Endpoints
}

// New returns a client of the cluster. It does not wait for a connection, except to obtain a token (Config.Username)
// or to check versions (Config.RejectOldCluster).
func New(cfg Config) (*Client, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, ErrNoAvailableEndpoints
	}
	list, err := parse(cfg.Endpoints)
	if err != nil {
		return nil, err
	}
	lg := cfg.Logger
	if lg == nil {
		if lg, err = newLogger(cfg.LogConfig); err != nil {
			return nil, err
		}
	}
	c := &Client{
		Username:  cfg.Username,
		Password:  cfg.Password,
		cfg:       cfg,
		lg:        lg.Named("etcd-client"),
		access:    newAccess(cfg.Token),
		endpoints: slices.Clone(cfg.Endpoints),
		resolver:  balance.NewEndpoints(list),
	}
	c.ctx, c.cancel = context.WithCancel(or(cfg.Context, context.Background()))
	if c.conn, err = c.connect(c.resolver); err != nil {
		c.cancel()
		return nil, err
	}
	c.Auth = NewAuth(c)
	c.Cluster = NewCluster(c)
	c.KV = NewKV(c)
	c.Lease = NewLease(c)
	c.Maintenance = NewMaintenance(c)
	c.Watcher = NewWatcher(c)
	if err := c.prepare(); err != nil {
		c.Close()
		return nil, err
	}
	if cfg.AutoSyncInterval > 0 {
		c.loops.Go(c.autoSync)
	}
	return c, nil
}

// NewFromURL returns a client with one endpoint and else the default configuration.
func NewFromURL(url string) (*Client, error) { return New(Config{Endpoints: []string{url}}) }

// NewFromURLs returns a client with these endpoints and else the default configuration.
func NewFromURLs(urls []string) (*Client, error) { return New(Config{Endpoints: urls}) }

// Option changes a client made by NewCtxClient.
type Option func(*Client)

// WithZapLogger sets the logger of the client.
func WithZapLogger(lg *zap.Logger) Option {
	return func(c *Client) { c.lg = lg }
}

// NewCtxClient returns a client without a connection, to be filled with a KV, Cluster and so on of one's own.
func NewCtxClient(ctx context.Context, opts ...Option) *Client {
	c := &Client{lg: zap.NewNop(), access: newAccess("")}
	c.ctx, c.cancel = context.WithCancel(ctx)
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// orBare returns c, or for nil a client with the default settings and no connection.
func orBare(c *Client) *Client {
	if c == nil {
		return NewCtxClient(context.Background())
	}
	return c
}

// prepare makes the calls that New promises to have made.
func (c *Client) prepare() error {
	ctx := c.ctx
	if c.cfg.DialTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.DialTimeout)
		defer cancel()
	}
	if c.hasPassword() {
		if err := c.obtainToken(ctx); err != nil {
			return ContextError(ctx, err)
		}
	}
	if c.cfg.RejectOldCluster {
		return c.checkVersion(ctx)
	}
	return nil
}

// Close ends the calls in flight, the watches, the renewal of leases and the connections, and waits for what runs in the
// background.
func (c *Client) Close() error {
	c.cancel()
	if c.Watcher != nil {
		c.Watcher.Close()
	}
	if c.Lease != nil {
		c.Lease.Close()
	}
	c.loops.Wait()
	if c.conn == nil {
		return c.ctx.Err()
	}
	return ContextError(c.ctx, c.conn.Close())
}

// Ctx returns the context that ends when the client is closed.
func (c *Client) Ctx() context.Context { return c.ctx }

// ActiveConnection returns the connection that the client's calls go through, spread over the members. It is nil in
// a client made by NewCtxClient.
func (c *Client) ActiveConnection() *grpc.ClientConn { return c.conn }

// GetLogger returns the logger of the client.
func (c *Client) GetLogger() *zap.Logger { return c.lg }

// WithLogger replaces the logger and returns the client. It must be called before the client is used.
func (c *Client) WithLogger(lg *zap.Logger) *Client {
	c.lg = lg
	return c
}

// Dial connects to one member, with the security, credentials and limits of the client. The caller closes the
// connection.
func (c *Client) Dial(ep string) (*grpc.ClientConn, error) {
	list, err := parse([]string{ep})
	if err != nil {
		return nil, err
	}
	return c.connect(balance.NewEndpoints(list))
}
