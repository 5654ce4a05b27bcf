package main

import "quoin.dev/quoin/tools/bench/load"

// watchScenes is what is measured of watches.
func watchScenes() []scene {
	const small = 10_000 // keys
	timed := load.Request{Kind: load.Put, Keys: 100_000, KeyBytes: 32, ValueBytes: 256, Timed: true}
	one, own := timed, timed
	one.Keys, own.Keys = 1, small
	behindFill := fillRow("", "", 500_000, 32, 256)
	held := func(name, help string, w load.Watch) row {
		return row{name: name, help: help, kind: kindWatchMemory, request: own, watch: &w, each: int64(w.Watchers)}
	}
	behind := watchRow("watch-behind", "puts by 100 clients, alone and then beside a watcher that begins 500k revisions behind",
		100, timed, load.Watch{Watchers: 1, Streams: 1, Conns: 1, Shape: load.EveryKey, Start: 2, Beside: true})
	behind.kind = kindBehind
	return []scene{
		{name: "watch-fan", rows: []row{watchRow("watch-fan", "events of one key at 10k watchers on 100 streams, puts in lockstep",
			1, one, load.Watch{Watchers: 10_000, Streams: 100, Conns: 20, Shape: load.OneKey, Lockstep: true})}},
		{name: "watch-own", rows: []row{watchRow("watch-own", "events of 10k keys with a watcher each on 100 streams, put by 100 clients",
			100, own, load.Watch{Watchers: 10_000, Streams: 100, Conns: 20, Shape: load.OwnKey})}},
		{name: "watch-all", rows: []row{watchRow("watch-all", "events at one watcher of everything, put by 1000 clients",
			1000, timed, load.Watch{Watchers: 1, Streams: 1, Conns: 1, Shape: load.EveryKey})}},
		{name: "watch-behind", fill: &behindFill, rows: []row{behind}},
		{name: "watch-rss", rows: []row{held("watch-rss", "memory of 10k watchers of a key each on 100 streams",
			load.Watch{Watchers: 10_000, Streams: 100, Conns: 20, Shape: load.OwnKey})}},
		{name: "stream-rss", rows: []row{held("stream-rss", "memory of 10k watchers of a key each on 10k streams",
			load.Watch{Watchers: 10_000, Streams: 10_000, Conns: 100, Shape: load.OwnKey})}},
	}
}

// leaseScenes is what is measured of leases. keys is the number of keys where a row's name says 1m; leases are a tenth.
func leaseScenes(keys int64) []scene {
	leases := keys / 10
	grant := load.Request{Kind: load.Grant, Keys: leases, KeyBytes: 32, Leased: true}
	renew := grant
	renew.Kind = load.Renew
	fill := loadRow("lease-grant", "grant 100k leases of an hour, 1000 clients on 100 connections", 1000, grant)
	fill.kind, fill.request.Each = kindFill, true
	return []scene{
		{name: "lease", fill: &fill, rows: []row{
			{name: "lease-rss", kind: kindMemory, help: "memory some seconds after lease-grant", each: leases},
			loadRow("lease-renew", "keepalive of 100k leases, 1000 clients with a stream each on 100 connections", 1000, renew),
		}},
		{name: "lease-expire", rows: []row{{
			name: "lease-expire", kind: kindExpiry, help: "100k leases with a key each that end within one second, beside puts by 100 clients", each: leases,
		}}},
	}
}
