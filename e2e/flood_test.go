package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

const (
	// patience is how long those who keep to the rules wait for a write; on a quiet machine it takes milliseconds.
	patience = 30 * time.Second
	// floodTime is how long a flood lasts once it is there.
	floodTime = 3 * time.Second
)

// bystanders keep to the rules: one writes over the connection that it has, another connects anew each time.
type bystanders struct {
	cancel context.CancelFunc
	both   sync.WaitGroup

	mu     sync.Mutex // guards the rest
	took   map[string][]time.Duration
	failed []error
}

func startBystanders(cfg client.Config) *bystanders {
	GinkgoHelper()
	cfg.Logger = zap.NewNop()
	ctx, cancel := context.WithCancel(context.Background())
	b := &bystanders{cancel: cancel, took: map[string][]time.Duration{}}
	DeferCleanup(b.stop)
	known, err := client.New(cfg)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(known.Close)
	b.both.Go(func() { b.write(ctx, "connected", func(ctx context.Context) error { return putBy(ctx, known) }) })
	b.both.Go(func() {
		b.write(ctx, "new", func(ctx context.Context) error {
			cl, err := client.New(cfg)
			if err != nil {
				return err
			}
			defer cl.Close()
			return putBy(ctx, cl)
		})
	})
	return b
}

func putBy(ctx context.Context, cl *client.Client) error {
	_, err := cl.Put(ctx, "bystander", "v")
	return err
}

func (b *bystanders) write(ctx context.Context, who string, once func(context.Context) error) {
	for ctx.Err() == nil {
		begun := time.Now()
		limited, cancel := context.WithTimeout(ctx, patience)
		err := once(limited)
		cancel()
		b.mu.Lock()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			b.failed = append(b.failed, fmt.Errorf("%s, after %v: %w", who, time.Since(begun), err))
		default:
			b.took[who] = append(b.took[who], time.Since(begun))
		}
		b.mu.Unlock()
		time.Sleep(5 * time.Millisecond) // it is no flood itself
	}
}

func (b *bystanders) stop() {
	b.cancel()
	b.both.Wait()
}

// served forgets what was before, waits until both have been served for a time, and reports how long they waited.
func (b *bystanders) served(phase string, d time.Duration) {
	GinkgoHelper()
	b.mu.Lock()
	clear(b.took)
	b.mu.Unlock()
	begun := time.Now()
	Eventually(func(g Gomega) {
		b.mu.Lock()
		defer b.mu.Unlock()
		g.Expect(b.failed).To(BeEmpty())
		g.Expect(time.Since(begun)).To(BeNumerically(">", d))
		for _, who := range []string{"connected", "new"} {
			g.Expect(len(b.took[who])).To(BeNumerically(">=", 3), who)
		}
	}, 10*patience, "50ms").Should(Succeed())
	b.mu.Lock()
	defer b.mu.Unlock()
	for who, all := range b.took {
		slices.Sort(all)
		AddReportEntry(fmt.Sprintf("%s, %s", phase, who), fmt.Sprintf("%d writes, median %v, worst %v", len(all), all[len(all)/2], all[len(all)-1]))
	}
}

// flood lets attackers go on until the test ends.
func flood(attackers int, attack func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range attackers {
		all.Go(func() {
			defer GinkgoRecover()
			for ctx.Err() == nil {
				attack(ctx)
			}
		})
	}
	DeferCleanup(func() {
		cancel()
		all.Wait()
	})
}

func hostOf(m *cluster.Member) string {
	_, host, _ := strings.Cut(m.ClientURL, "://")
	return host
}

// raw is a connection of gRPC without what our client does for its user.
func raw(m *cluster.Member) *grpc.ClientConn {
	GinkgoHelper()
	conn, err := grpc.NewClient(hostOf(m), grpc.WithTransportCredentials(insecure.NewCredentials()))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	return conn
}

// send opens a connection, says something, and listens until the other side has had enough or a moment is over.
func send(ctx context.Context, m *cluster.Member, said []byte, moment time.Duration) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostOf(m))
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(moment))
	if _, err := conn.Write(said); err == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// What connections can do that need no handshake is tried on a member within the process of the test, in embed.
var _ = Describe("others are served during a flood", func() {
	It("of requests that nobody is behind", func() {
		m := start(cluster.Options{Members: 1, Flags: []string{"--bcrypt-cost=8"}}).Members[0]
		ctx := within(time.Minute)
		admin, err := client.New(client.Config{Endpoints: []string{m.ClientURL}, Logger: zap.NewNop()})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(admin.Close)
		_, err = admin.UserAdd(ctx, "root", "the password")
		Expect(err).NotTo(HaveOccurred())
		_, err = admin.UserGrantRole(ctx, "root", "root")
		Expect(err).NotTo(HaveOccurred())
		_, err = admin.AuthEnable(ctx)
		Expect(err).NotTo(HaveOccurred())
		b := startBystanders(client.Config{Endpoints: []string{m.ClientURL}, Username: "root", Password: "the password"})
		b.served("calm", time.Second)
		conn := raw(m)
		flood(8, func(ctx context.Context) {
			_, err := pb.NewAuthClient(conn).Authenticate(ctx, &pb.AuthenticateRequest{Name: "root", Password: "another"})
			Expect(err).To(HaveOccurred())
		})
		flood(10, func(ctx context.Context) {
			_, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte("bystander")})
			_, forged := pb.NewKVClient(conn).Range(metadata.AppendToOutgoingContext(ctx, "token", "forged.1"), &pb.RangeRequest{Key: []byte("bystander")})
			Expect(err).To(HaveOccurred())
			Expect(forged).To(HaveOccurred())
		})
		b.served("requests", floodTime)
	})

	It("of handshakes that stop half way", func() {
		secure := func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} }
		m := start(cluster.Options{Members: 1, Flags: []string{"--auto-tls", "--peer-auto-tls"}, Secure: secure}).Members[0]
		b := startBystanders(client.Config{Endpoints: []string{m.ClientURL}, TLS: secure()})
		b.served("calm", time.Second)
		for _, said := range []string{"", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
			flood(800, func(ctx context.Context) { send(ctx, m, []byte(said), time.Minute) })
		}
		b.served("handshakes", floodTime)
	})
})
