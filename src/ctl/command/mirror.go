package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"quoin.dev/client"
	"quoin.dev/client/mirror"
	"quoin.dev/ctl/progress"
)

// mirrorTick is how often make-mirror prints how much it has copied.
const mirrorTick = 30 * time.Second

type mirrorFlags struct {
	prefix       string
	destPrefix   string
	noDestPrefix bool
	rev          int64
	maxTxnOps    uint

	dest         globalFlags // of which only those of TLS are set
	destUser     string
	destPassword string
}

func (f *mirrorFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.prefix, "prefix", "", "copy the keys that begin with this (all without)")
	fs.StringVar(&f.destPrefix, "dest-prefix", "", "what the names of the copies begin with instead of --prefix")
	fs.BoolVar(&f.noDestPrefix, "no-dest-prefix", false, "leave --prefix out of the names of the copies")
	fs.Int64Var(&f.rev, "rev", 0, "copy what has changed from this revision on, and not the keys as they are now")
	fs.UintVar(&f.maxTxnOps, "max-txn-ops", 128, "most changes in a transaction, as --max-txn-ops of the destination allows")

	fs.StringVar(&f.dest.certFile, "dest-cert", "", "file of the certificate (PEM) that is shown to the destination; needs --dest-key")
	fs.StringVar(&f.dest.keyFile, "dest-key", "", "file of the private key (PEM) for --dest-cert")
	fs.StringVar(&f.dest.caFile, "dest-cacert", "", "file of CA certificates (PEM) that vouch for the destination")
	fs.BoolVar(&f.dest.insecureTransport, "dest-insecure-transport", true,
		"talk to the destination in plain text unless a TLS flag or an https endpoint is given; false requires TLS")
	fs.StringVar(&f.destUser, "dest-user", "", "user at the destination as name or name:password; without a password it is asked for")
	fs.StringVar(&f.destPassword, "dest-password", "", "password of --dest-user, which then is the name alone")
}

func (a *app) makeMirrorCommand() *cobra.Command {
	var f mirrorFlags
	cmd := &cobra.Command{
		Use:     "make-mirror [options] <destination>",
		GroupID: groupUtility,
		Short:   "Copies keys to another cluster, and goes on with their changes",
		Long: "Copies the keys of the cluster of --endpoints to the one at <destination>, and then every change, until it is\n" +
			"interrupted. Every 30 seconds it prints how many keys and changes it has copied.\n\n" +
			"The changes of one transaction are made in one transaction, in the order of the source. When a cluster can\n" +
			"not be reached, the mirror goes on where it was as soon as it can. Keys that the destination has and the source has\n" +
			"not are left alone, and leases are not copied: the copy of a key is deleted when the key is.",
		Example: examples(a.Name,
			"make-mirror 10.1.0.1:2379",
			"make-mirror --prefix=app/ --dest-prefix=copy/app/ 10.1.0.1:2379",
			"make-mirror --rev=4711 10.1.0.1:2379",
			"make-mirror --dest-cacert=ca.pem --dest-user=backup https://10.1.0.1:2379"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badArgs("make-mirror takes one destination argument")
			}
			if f.destPrefix != "" && f.noDestPrefix {
				return badArgs("`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one")
			}
			if _, err := a.setup(cmd, false); err != nil {
				return err
			}
			return a.makeMirror(f, args[0])
		},
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) makeMirror(f mirrorFlags, destination string) error {
	cfg, err := a.destinationConfig(f, destination)
	if err != nil {
		return err
	}
	to, err := dial(cfg)
	if err != nil {
		return err
	}
	defer to.Close()
	from, err := a.connect()
	if err != nil {
		return err
	}
	defer from.Close()

	var line *progress.Line
	m := &mirror.Mirror{
		Source: from, Destination: to,
		Prefix: f.prefix, DestinationPrefix: f.destinationPrefix(),
		Revision: max(f.rev-1, 0), MaxTxnOps: int(f.maxTxnOps),
		Report: func(text string) { line.Print(a.Stderr, text) },
	}
	line = progress.Start(a.Stderr, func(time.Duration) string { return fmt.Sprintf("%d keys and changes copied", m.Copied()) })
	defer line.Stop()
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	go a.printCopied(ctx, m)
	if err := m.Run(ctx); err != nil {
		return failed(err)
	}
	return exit(failure, errors.New("the mirror ended"))
}

func (a *app) printCopied(ctx context.Context, m *mirror.Mirror) {
	for tick := time.NewTicker(mirrorTick); ; {
		select {
		case <-tick.C:
			fmt.Fprintln(a.Stdout, m.Copied())
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// destinationPrefix is that of the source unless the flags name another one.
func (f *mirrorFlags) destinationPrefix() string {
	if f.destPrefix == "" && !f.noDestPrefix {
		return f.prefix
	}
	return f.destPrefix
}

// destinationConfig takes what the flags do not say about the destination from those about the source.
func (a *app) destinationConfig(f mirrorFlags, destination string) (cfg client.Config, err error) {
	cfg = a.commonConfig()
	cfg.Endpoints = strings.Split(destination, ",")
	if err = f.dest.secure(&cfg); err != nil {
		return cfg, exit(badArguments, err)
	}
	cfg.Username, cfg.Password, err = a.splitUser(f.destUser, f.destPassword, "Destination Password: ")
	return cfg, err
}
