package scenario

import "time"

// A few times that many scenarios share.
const (
	short = 500 * time.Millisecond
	brief = time.Second
	long  = 3 * time.Second
	// beyond is longer than an election and than a short lease.
	beyond = 5 * time.Second
)

// frequentSnapshots makes members snapshot all the time, and send them to those that are a little behind.
var frequentSnapshots = []string{"--snapshot-count=50", "--snapshot-catchup-entries=10"}

func of(n int, program string) []string {
	members := make([]string, n)
	for i := range members {
		members[i] = program
	}
	return members
}

func processes() []Scenario {
	return []Scenario{
		{
			Name: "kill-one", What: "one member after the other is killed under a mixed load, any of them",
			Guards: []string{"etcd#13766", "etcd#14098"}, Quick: true,
			Faults: func(d *Draw) {
				d.series(series{least: short, most: long, rest: brief, fault: func() (string, string, int) { return "kill", d.anybody(), 0 }})
			},
		},
		{
			Name: "kill-leader", What: "whoever leads is killed, again and again",
			Guards: []string{"etcd#21375"}, Faults: repeated("kill", "leader", brief, long, 2*brief),
		},
		{
			Name: "kill-majority", What: "the quorum is killed and comes back",
			Faults: repeated("kill", "majority", short, 2*brief, long),
		},
		{
			Name: "kill-all", What: "all members are killed at once", Guards: []string{"etcd#14370", "etcd#14239", "etcd#12651"},
			Load: []string{"mixed", "leases"}, Faults: repeated("kill", "all", short, brief, long),
		},
		{
			Name: "kill-single", What: "the only member is killed again and again", Members: []string{Quoin},
			Guards: []string{"etcd#14370", "etcd#18679"}, Faults: repeated("kill", "all", short, brief, brief), Quick: true,
		},
		{
			Name: "restart-storm", What: "a member is killed and started all the time, also in the middle of its start",
			Guards: []string{"etcd#11888", "etcd#18055"}, Flags: frequentSnapshots,
			Faults: func(d *Draw) { d.throughout("restart-storm", d.anybody(), 0) },
		},
		{
			Name: "rolling-restart", What: "members are stopped and started one after the other, as an upgrade does",
			Faults: func(d *Draw) {
				n := 0
				d.series(series{least: short, most: brief, rest: 2 * brief, fault: func() (string, string, int) {
					n++
					return "stop", []string{"leader", "follower"}[n%2], 0
				}})
			},
		},
		{
			Name: "pause-leader", What: "the leader hangs for longer than an election and goes on as if nothing had happened",
			Guards: []string{"etcd#20418", "etcd#741"}, Faults: repeated("pause", "leader", 2*brief, beyond, 2*brief), Quick: true,
		},
		{
			Name: "pause-anyone", What: "members hang for a moment or for long, one or two at a time",
			Guards: []string{"etcd#20418"},
			Faults: func(d *Draw) {
				d.series(series{least: 100 * time.Millisecond, most: long, rest: brief, fault: func() (string, string, int) {
					return "pause", d.one("leader", "follower", "majority"), 0
				}})
			},
		},
	}
}

func networks() []Scenario {
	return []Scenario{
		{
			Name: "isolate-leader", What: "the leader is cut off from the others, but not from clients",
			Guards: []string{"etcd#741", "etcd#20418", "etcd#21375"}, Faults: repeated("isolate", "leader", 2*brief, beyond, 2*brief), Quick: true,
		},
		{
			Name: "isolate-follower-snapshot", What: "a follower is cut off until it needs a snapshot, with watches on it",
			Guards: []string{"etcd#13933", "etcd#15271", "etcd#8411", "etcd#9281", "etcd#9775", "etcd#20221", "etcd#13205"}, Flags: frequentSnapshots,
			Load: []string{"mixed", "watches", "leases"}, Faults: repeated("isolate", "follower", 2*brief, beyond, 2*brief), Quick: true,
		},
		{
			Name: "snapshot-kill", What: "a follower that was cut off is killed while it installs a snapshot",
			Guards: []string{"etcd#13933", "etcd#11888", "etcd#18055", "etcd#17247"}, Flags: frequentSnapshots,
			Faults: func(d *Draw) {
				for at := quiet; at+3*time.Second < d.End-quiet; at += 4500 * time.Millisecond {
					victim := d.anybody()
					d.add(at, 2*time.Second, "isolate", victim, 0)
					d.add(at+d.between(2*time.Second, 2400*time.Millisecond), 300*time.Millisecond, "kill", victim, 0)
				}
			},
		},
		{
			Name: "split-minority", What: "five members are cut in two, the leader on the smaller side", Members: of(5, Quoin),
			Guards: []string{"etcd#741"}, Faults: repeated("split", "minority", 2*brief, beyond, 2*brief),
		},
		{
			Name: "split-majority", What: "five members are cut in two, the leader on the larger side, and members of it die", Members: of(5, Quoin),
			Faults: func(d *Draw) {
				d.series(series{least: 2 * brief, most: beyond, rest: 2 * brief, fault: func() (string, string, int) { return "split", "majority", 0 }})
				d.add(d.between(2*time.Second, 5*time.Second), short, "kill", "leader", 0)
			},
		},
		{
			Name: "one-way", What: "the leader is heard but does not hear, or hears but is not heard",
			Faults: func(d *Draw) {
				d.series(series{least: 2 * brief, most: beyond, rest: 2 * brief, fault: func() (string, string, int) {
					return d.one("mute", "deaf"), d.one("leader", "leader", "follower"), 0
				}})
			},
			Quick: true,
		},
		{
			Name: "bridge", What: "one of five members is all that two halves of the cluster share", Members: of(5, Quoin),
			Faults: repeated("bridge", "follower", 2*brief, beyond, 2*brief),
		},
		{
			Name: "flapping", What: "a member comes and goes several times a second, the leader or another one", Guards: []string{"etcd#20271"},
			Faults: func(d *Draw) {
				d.series(series{least: 4 * brief, most: 6 * brief, rest: brief, fault: func() (string, string, int) { return "flap", d.one("leader", "follower"), 0 }})
			},
		},
		{
			Name: "far-apart", What: "every packet between members takes a tenth of a second, in any order",
			Gap: 15 * time.Second, Faults: func(d *Draw) { d.throughout("delay", "all", 50) },
		},
		{
			Name: "lossy", What: "a fifth of the packets between members is lost", Gap: 15 * time.Second,
			Faults: func(d *Draw) { d.throughout("loss", "all", 20) },
		},
		{
			Name: "slow-links", What: "the leader has little bandwidth, and a follower needs a snapshot through it",
			Gap: 15 * time.Second, Flags: frequentSnapshots,
			Faults: func(d *Draw) { d.throughout("slow-link", "follower", 128<<10) },
		},
		{
			Name: "resets", What: "connections between members break all the time", Guards: []string{"etcd#8335"},
			Faults: repeated("reset", "leader", short, 2*brief, brief),
		},
	}
}

func disks() []Scenario {
	return []Scenario{
		{
			Name: "power-cut-one", What: "one member after the other loses its power, and all that it did not sync",
			Guards: []string{"etcd#14140", "etcd#15069", "etcd#13766"}, Disk: true, Quick: true,
			Faults: func(d *Draw) {
				d.series(series{least: short, most: 2 * brief, rest: 2 * brief, fault: func() (string, string, int) { return "power-cut", d.one("leader", "follower"), 0 }})
			},
		},
		{
			Name: "power-cut-all", What: "all members lose their power at once", Guards: []string{"etcd#14143", "etcd#14370", "etcd#11220"}, Disk: true,
			Faults: repeated("power-cut", "all", short, brief, long), Quick: true,
		},
		{
			Name: "power-cut-snapshots", What: "power is lost while snapshots are written and files are replaced", Disk: true, Flags: frequentSnapshots,
			Guards: []string{"etcd#11888", "etcd#14685"},
			Faults: func(d *Draw) {
				d.throughout("defragment", "all", 0)
				d.series(series{least: short, most: brief, rest: 2 * brief, fault: func() (string, string, int) { return "power-cut", d.one("leader", "follower", "majority"), 0 }})
			},
		},
		{
			Name: "torn-writes", What: "power goes in the middle of large writes, and some sectors of what was not synced are on the disk", Disk: true, Duration: 30 * time.Second,
			Guards: []string{"etcd#15069", "etcd#14098", "etcd#11220"}, Load: []string{"large", "mixed", "watches"},
			Faults: func(d *Draw) {
				d.series(series{least: 100 * time.Millisecond, most: short, rest: beyond, fault: func() (string, string, int) {
					return "torn-power-cut", d.one("leader", "all", "follower"), 0
				}})
			},
		},
		{
			Name: "flickering-power", What: "power goes in the middle of large writes, comes back for a moment and goes again", Disk: true, Duration: 30 * time.Second,
			Guards: []string{"etcd#15069", "etcd#11220"}, Load: []string{"large", "mixed", "watches"},
			Faults: func(d *Draw) {
				d.series(series{least: 100 * time.Millisecond, most: short, rest: long, fault: func() (string, string, int) {
					return "flickering-power", d.one("all", "all", "majority", "follower"), 50 + d.IntN(1000)
				}})
			},
		},
		{
			Name: "fsync-error", What: "a sync fails: the member must end itself rather than go on", Disk: true, Ends: []string{"fsync-error"},
			Faults: repeated("fsync-error", "leader", 2*brief, long, 2*brief), Quick: true,
		},
		{
			Name: "write-error", What: "writes to the disk fail", Disk: true, Ends: []string{"write-error"},
			Faults: repeated("write-error", "leader", 2*brief, long, 2*brief),
		},
		{
			Name: "disk-full", What: "the disk of a member is full", Disk: true, Ends: []string{"full-disk"},
			Faults: func(d *Draw) {
				d.series(series{least: 2 * brief, most: beyond, rest: 2 * brief, fault: func() (string, string, int) { return "full-disk", d.one("leader", "follower"), 0 }})
			},
		},
		{
			Name: "slow-disk", What: "every sync of the leader takes a fifth of a second", Disk: true, Gap: 10 * time.Second,
			Faults: repeated("slow-fsync", "leader", beyond, 2*beyond, brief),
		},
		{
			Name: "frozen-disk", What: "the disk of the leader hangs: another one has to lead", Disk: true,
			Guards: []string{"etcd#13527", "etcd#15247"}, Load: []string{"mixed", "leases"},
			Faults: repeated("freeze-disk", "leader", beyond, 2*beyond, 2*brief), Quick: true,
		},
		{
			Name: "flipped-bits", Flags: []string{"--feature-gates=InitialCorruptCheck=true"}, What: "a bit of a stopped member's write-ahead log or database flips: it must refuse to start, or be right", Disk: true, Ends: []string{"flip-wal", "flip-db"},
			Guards: []string{"etcd#11918", "bbolt#562"}, Allow: []string{"crc", "corrupt", "damaged"},
			Faults: func(d *Draw) {
				d.series(series{least: 2 * brief, most: long, rest: 2 * brief, fault: func() (string, string, int) { return d.one("flip-wal", "flip-db"), "follower", 0 }})
			},
		},
		{
			Name: "flipped-snapshots", Flags: frequentSnapshots, What: "a bit of a stopped member's newest snapshot file flips: it must do without the file, or refuse to start", Disk: true,
			Ends: []string{"flip-snap"}, Guards: []string{"etcd#11924"}, Allow: []string{"crc", "corrupt", "damaged"},
			Faults: func(d *Draw) {
				d.series(series{least: short, most: 2 * brief, rest: 2 * brief, fault: func() (string, string, int) { return "flip-snap", d.one("leader", "follower"), 0 }})
			},
		},
	}
}

func services() []Scenario {
	return []Scenario{
		{
			Name: "leader-storm", What: "leadership is handed over several times a second", Guards: []string{"etcd#21375", "etcd#9395", "etcd#14087"},
			Load:   []string{"mixed", "leases"},
			Faults: func(d *Draw) { d.throughout("move-leader", "all", 0) }, Quick: true,
		},
		{
			Name: "membership-kill", What: "members are added, promoted and removed while others are killed",
			Guards: []string{"etcd#20967", "etcd#20387", "etcd#20051", "etcd#19557"}, Duration: 40 * time.Second,
			Ends: []string{"membership"}, // a member that was removed ends
			Faults: func(d *Draw) {
				// Nobody is added before all members have known each other for five seconds.
				for at := quiet; at+17*time.Second < d.End-quiet; at += 18 * time.Second {
					d.add(at, 17*time.Second, "membership", "all", 0)
					d.add(at+d.between(4*time.Second, 8*time.Second), d.between(short, brief), "kill", d.anybody(), 0)
				}
			},
		},
		{
			Name: "defragment-kill", What: "members are killed while they defragment", Guards: []string{"etcd#14685", "etcd#11613", "etcd#20271"},
			Faults: func(d *Draw) {
				d.throughout("defragment", "all", 0)
				d.series(series{least: 200 * time.Millisecond, most: brief, rest: brief, fault: func() (string, string, int) { return "kill", d.anybody(), 0 }})
			},
		},
		{
			Name: "compact-kill", What: "members are killed while history is compacted, with watches that begin in the past",
			Guards: []string{"etcd#17780", "etcd#8127", "etcd#18089", "etcd#19179", "etcd#18667", "etcd#17529"},
			Faults: func(d *Draw) {
				d.throughout("compact", "all", 0)
				d.series(series{least: 200 * time.Millisecond, most: brief, rest: brief, fault: func() (string, string, int) { return "kill", d.anybody(), 0 }})
			},
			Quick: true,
		},
		{
			Name: "backup-pause", What: "snapshots are read all the time, from members that hang now and then",
			Faults: func(d *Draw) {
				d.throughout("backup", "all", 0)
				d.series(series{least: short, most: long, rest: brief, fault: func() (string, string, int) { return "pause", d.one("leader", "follower"), 0 }})
			},
		},
	}
}

func kinds() []Scenario {
	return []Scenario{
		{
			Name: "leases", What: "leases of all ages while leaders are killed and hang",
			Guards: []string{"etcd#9395", "etcd#10686", "etcd#20615", "etcd#12651", "etcd#15247", "etcd#14239"}, Load: []string{"leases", "mixed"},
			Duration: 30 * time.Second,
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: beyond, rest: 2 * brief, fault: func() (string, string, int) { return d.one("kill", "pause", "isolate"), "leader", 0 }})
			},
		},
		{
			Name: "locks", What: "holders of locks write under a fencing token while members hang and are cut off",
			Guards: []string{"Jepsen 3.4.3 lock"}, Load: []string{"locks"},
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: beyond, rest: brief, fault: func() (string, string, int) {
					return d.one("pause", "isolate", "kill"), d.one("leader", "follower"), 0
				}})
			},
		},
		{
			Name: "counters", What: "guarded transactions raise counters while connections break: none is lost, none is done twice",
			Guards: []string{"Jepsen 14890", "etcd#8335"}, Load: []string{"counters"},
			Faults: func(d *Draw) {
				d.series(series{least: short, most: 2 * brief, rest: brief, fault: func() (string, string, int) { return d.one("kill", "reset", "isolate", "pause"), "leader", 0 }})
			},
		},
		{
			Name: "auth", What: "users and roles change while members are killed and catch up by snapshots", Auth: true, Load: []string{"auth"},
			Guards: []string{"etcd#14571", "etcd#14355", "etcd#11651", "etcd#13946"}, Quick: true,
			Flags: append([]string{"--bcrypt-cost=4"}, frequentSnapshots...), // the cheapest: logins are not what is looked at
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: long, rest: brief, fault: func() (string, string, int) { return d.one("kill", "isolate", "stop"), d.one("leader", "follower"), 0 }})
			},
		},
		{
			Name: "kubernetes", What: "a control plane at work: guarded updates, pages, watches and compactions, under faults of all kinds of processes",
			Guards: []string{"etcd#15220", "etcd#17529", "etcd#14110"}, Load: []string{"kubernetes"}, Duration: 30 * time.Second,
			Faults: func(d *Draw) {
				d.series(series{least: short, most: long, rest: 2 * brief, fault: func() (string, string, int) {
					return d.one("kill", "stop", "pause", "isolate", "reset"), d.one("leader", "follower"), 0
				}})
			},
		},
		{
			Name: "tls", What: "everything is encrypted, and leaders are killed and cut off", TLS: true,
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: long, rest: 2 * brief, fault: func() (string, string, int) { return d.one("kill", "isolate"), "leader", 0 }})
			},
		},
		{
			Name: "mixed-versions", What: "quoin and etcd 3.7 in one cluster, whoever leads is killed or cut off", Members: []string{Quoin, Etcd, Quoin},
			Quick: true,
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: long, rest: 2 * brief, fault: func() (string, string, int) { return d.one("kill", "isolate", "pause"), "leader", 0 }})
			},
		},
		{
			Name: "mixed-36", What: "quoin and etcd 3.6 in one cluster, in the middle of an upgrade that takes its time", Members: []string{Quoin, Etcd36, Etcd36},
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: long, rest: 2 * brief, fault: func() (string, string, int) { return d.one("kill", "isolate"), "leader", 0 }})
			},
		},
		{
			Name: "upgrade", What: "members of etcd 3.7 become members of quoin, one after the other, under load", Members: of(3, Etcd),
			Guards: []string{"etcd 3.2->3.3 upgrade lease+auth"}, Load: []string{"mixed", "leases", "watches"},
			Faults: func(d *Draw) {
				for i := range d.members {
					d.add(quiet+time.Duration(i)*4*time.Second, short, "upgrade", []string{"m0", "m1", "m2"}[i], 0)
				}
			},
		},
		{
			Name: "clock-jumps", What: "the clocks of members jump by hours, forth and back, with leases and locks in use", Clock: true, Load: []string{"leases", "mixed"},
			Faults: func(d *Draw) {
				d.series(series{least: brief, most: beyond, rest: brief, fault: func() (string, string, int) {
					return "clock-jump", d.one("leader", "follower", "all"), []int{-86400, -3600, -60, 60, 3600, 86400}[d.IntN(6)]
				}})
			},
		},
		{
			Name: "everything", What: "faults of all kinds, several at a time", Disk: true, Members: of(5, Quoin), Flags: frequentSnapshots, Duration: 60 * time.Second,
			Load: []string{"mixed", "watches", "leases"}, Gap: 20 * time.Second,
			Faults: func(d *Draw) {
				d.series(series{least: short, most: long, rest: brief, fault: func() (string, string, int) {
					return d.one("kill", "stop", "pause", "power-cut", "torn-power-cut"), d.one("leader", "follower", "minority"), 0
				}})
				d.series(series{least: brief, most: beyond, rest: 2 * brief, fault: func() (string, string, int) {
					return d.one("isolate", "mute", "deaf", "split", "delay", "loss", "reset"), d.one("leader", "follower"), 0
				}})
				d.series(series{least: 2 * beyond, most: 3 * beyond, rest: 2 * brief, fault: func() (string, string, int) {
					return d.one("defragment", "move-leader", "backup"), "all", 0
				}})
			},
		},
	}
}
