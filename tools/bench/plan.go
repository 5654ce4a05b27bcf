package main

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"text/tabwriter"
	"time"

	"quoin.dev/client"
	"quoin.dev/quoin/tools/bench/load"
)

// kind is what a row measures.
type kind int

const (
	kindLoad        kind = iota // requests for some time
	kindFill                    // every key of the key space put once
	kindMemory                  // memory a while after the fill
	kindWatchMemory             // memory while watchers are open
	kindRestart                 // SIGTERM, start, first answer
	kindExpiry                  // many leases end together beside puts
	kindBehind                  // watchers far behind beside puts
	kindMaintain                // a job of the member beside puts
	kindSnapshot                // the database read by a client
	kindIdle                    // CPU time and memory while nothing happens
	kindScrape                  // /metrics, read by one client
	kindOutage                  // something happens to a cluster beside puts
)

// row is one line of the table.
type row struct {
	name, help     string
	kind           kind
	conns, clients int
	stretch        time.Duration // times the usual duration, for requests of which a slow server answers few; 0 is 1
	request        load.Request
	watch          *load.Watch                                          // beside the requests
	job            func(context.Context, *client.Client, *member) error // beside the requests
	outage         func(context.Context, *runner, *group) (values, error)
	total          int64 // how many requests a fill has, if that is not one for each key
	each           int64 // number of things by which the memory that came since the start is divided; 0: it is not
}

// scene is a server's life from an empty data directory: the key space that is put first, then the rows in order.
type scene struct {
	name string
	fill *row // nil = starts empty; its request has Each
	rows []row
	echo bool // run against the empty gRPC server instead of A and B
	trio bool // a cluster of three members instead of one
	// guarded: users have to show who they are; secured: both sides show a certificate.
	guarded, secured bool
}

// clientsPerConn is how many clients share a connection, as in etcd's own published measurements.
const clientsPerConn = 10

// loadRow shares connections between the clients of put and get. Few clients with long answers get one each, since their
// answers would otherwise queue behind each other.
func loadRow(name, help string, clients int, r load.Request) row {
	conns := max(clients/clientsPerConn, 1)
	if r.Kind == load.Range {
		conns = clients
	}
	return row{name: name, help: help, conns: conns, clients: clients, request: r}
}

// watchRow measures events, or the puts that cause them.
func watchRow(name, help string, clients int, r load.Request, w load.Watch) row {
	row := loadRow(name, help, clients, r)
	row.watch = &w
	return row
}

func fillRow(name, help string, keys int64, keyBytes, valueBytes int) row {
	r := loadRow(name, help, 1000, load.Request{Kind: load.Put, Keys: keys, KeyBytes: keyBytes, ValueBytes: valueBytes, Each: true})
	r.kind = kindFill
	return r
}

// allScenes is the whole plan. keys is the number of keys where a row's name says 1m.
func allScenes(keys int64) []scene {
	put := load.Request{Kind: load.Put, Keys: 100_000, KeyBytes: 32, ValueBytes: 256}
	const small, big = 10_000, 1000 // keys, bytes of a value
	get := load.Request{Kind: load.Get, Keys: small, KeyBytes: 32, ValueBytes: 256}
	stale := get
	stale.Serializable = true
	million := load.Request{Kind: load.Range, Keys: keys, KeyBytes: 64, ValueBytes: 256}
	count, limit := million, million
	count.CountOnly = true
	limit.Limit = 500
	countRow := loadRow("count-1m", "count of 1M keys, 4 clients on 4 connections", 4, count)
	limitRow := loadRow("limit-1m", "first 500 of 1M keys, 4 clients on 4 connections", 4, limit)
	countRow.stretch, limitRow.stretch = 2, 2
	smallFill := fillRow("", "", small, 32, 256)
	bigFill := fillRow("", "", small, 32, big)
	millionFill := fillRow("load-1m", "put 1M keys of 64 B with values of 256 B, 1000 clients", keys, 64, 256)
	scenes := []scene{
		{name: "put-1", rows: []row{loadRow("put-1", "put 256 B values, 1 client", 1, put)}},
		{name: "put-100", rows: []row{loadRow("put-100", "put 256 B values, 100 clients on 10 connections", 100, put)}},
		{name: "put-1000", rows: []row{loadRow("put-1000", "put 256 B values, 1000 clients on 100 connections", 1000, put)}},
		{name: "get", fill: &smallFill, rows: []row{
			loadRow("get-lin-1", "linearizable get of one key, 1 client", 1, get),
			loadRow("get-lin-1000", "linearizable get of one key, 1000 clients", 1000, get),
			loadRow("get-ser-1000", "serializable get of one key, 1000 clients", 1000, stale),
		}},
		{name: "range-10k", fill: &bigFill, rows: []row{
			loadRow("range-10k", "range of 10k keys with 1 KB values, 4 clients on 4 connections", 4,
				load.Request{Kind: load.Range, Keys: small, KeyBytes: 32, ValueBytes: big}),
		}},
		{name: "txn-mix", fill: &smallFill, rows: []row{
			loadRow("txn-mix", "compare-and-put, two puts, create-or-delete, two reads; 1000 clients", 1000,
				load.Request{Kind: load.TxnMix, Keys: small, KeyBytes: 32, ValueBytes: 256}),
		}},
		{name: "1m", fill: &millionFill, rows: []row{
			{name: "rss-1m", kind: kindMemory, help: "memory some seconds after load-1m"},
			countRow,
			limitRow,
			{name: "restart-1m", kind: kindRestart, help: "SIGTERM with 1M keys, then start until the first linearizable get"},
		}},
		{name: "echo", echo: true, rows: []row{
			loadRow("echo-1", "the put-1 load on an empty gRPC server", 1, put),
			loadRow("echo-100", "the put-100 load on an empty gRPC server", 100, put),
			loadRow("echo-1000", "the put-1000 load on an empty gRPC server", 1000, put),
		}},
	}
	return slices.Concat(scenes, guardedScenes(), leaseScenes(keys), watchScenes(), maintenanceScenes(keys), outageScenes(keys))
}

// selectRows drops what -rows does not name. A fill stays where a row needs it, reported or not.
func selectRows(o *options) ([]scene, error) {
	scenes := allScenes(o.keys)
	if len(o.rows) == 0 {
		return scenes, nil
	}
	used := make([]bool, len(o.rows))
	wanted := func(name string) bool {
		found := false
		for i, pattern := range o.rows {
			if ok, err := path.Match(pattern, name); err == nil && ok {
				used[i], found = true, true
			}
		}
		return found
	}
	var out []scene
	for _, s := range scenes {
		var rows []row
		for _, r := range s.rows {
			if wanted(r.name) {
				rows = append(rows, r)
			}
		}
		fillWanted := s.fill != nil && s.fill.name != "" && wanted(s.fill.name)
		if len(rows) > 0 || fillWanted {
			s.rows = rows
			out = append(out, s)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("no row is named %q; -list shows all", o.rows[i])
		}
	}
	return out, nil
}

// named returns the rows of a scene that appear in the report, the fill first.
func (s *scene) named() []row {
	if s.fill != nil && s.fill.name != "" {
		return append([]row{*s.fill}, s.rows...)
	}
	return s.rows
}

func listRows(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range allScenes(1_000_000) {
		for _, r := range s.named() {
			fmt.Fprintf(w, "%s\t%s\n", r.name, r.help)
		}
	}
	return w.Flush()
}
