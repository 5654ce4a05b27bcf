package main

import "quoin.dev/quoin/tools/bench/load"

// guardedScenes is what is measured of members that ask who is there, and of what operators see of them.
func guardedScenes() []scene {
	put := load.Request{Kind: load.Put, Keys: 10_000, KeyBytes: 32, ValueBytes: 256}
	get := put
	get.Kind = load.Get
	fill := fillRow("", "", put.Keys, 32, 256)
	scraped := fillRow("", "", 100_000, 32, 256)
	return []scene{
		{name: "auth", guarded: true, fill: &fill, rows: []row{
			loadRow("auth-put", "put by a user with a permission for the keys, 1000 clients", 1000, put),
			loadRow("auth-get", "linearizable get by that user, 1000 clients", 1000, get),
		}},
		{name: "mtls", secured: true, fill: &fill, rows: []row{
			loadRow("mtls-put", "put over TLS with certificates on both sides, 1000 clients", 1000, put),
		}},
		{name: "scrape", fill: &scraped, rows: []row{
			{name: "scrape", kind: kindScrape, help: "/metrics of a member with 100k keys, one after the other"},
		}},
		{name: "idle", rows: []row{{name: "idle", kind: kindIdle, help: "CPU time and memory of a member alone, to which nobody comes"}}},
	}
}
