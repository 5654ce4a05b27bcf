// Package config turns flags, ETCD_* variables or a file into the checked settings of one member.
//
// Names, variables, keys, defaults and meaning are those of etcd 3.7.3, and so are the texts and exit codes for what can not be;
// testdata holds what etcd answered. What is different:
//
//	flag or setting                       here
//	--auto-promote-learners               not in etcd; off
//	--max-apply-lag                       not in etcd, which has the same limit fixed
//	--check-config, completion SHELL      not in etcd; for the command line alone, without a variable
//	gateway, grpc-proxy                   refused: the proxies are a program of their own
//	--auto-compaction-retention           negative is refused in every mode (GHSA-pm3m-32r3-7mfh)
//	--cipher-suites                       insecure ones are refused (GHSA-5x4g-q5rc-36jp)
//	--log-level                           an unknown one is an error with exit code 1; etcd panics
//	--log-rotation-config-json            unknown keys and negative numbers are refused; etcd panics, or loses every line
//	--log-outputs                         a slow or closed output loses lines, which are counted, and holds up nothing
//	--memory-mlock                        the database file, as in etcd; refused on Windows, where etcd panics
//	--corrupt-check-time                  not given: every 12 h, unless compactions were compared meanwhile
//	--compact-hash-check-time             0 is taken unless the gate CompactHashCheck is asked for by name
//	--distributed-tracing-...             spans have the names of the calls; those within them are our own
//	--v2-deprecation                      changes nothing, and says so, as in etcd
//	retired flags of etcd 2               accepted with a warning, as in etcd
//	gates InitialCorruptCheck, CompactHashCheck, LeaseCheckpoint, LeaseCheckpointPersist, PriorityRequest
//	                                      on; off in etcd. PriorityRequest can not be switched off
//	gates FastLeaseKeepAlive, TxnModeWriteWithSharedBuffer, StopGRPCServiceOnDefrag
//	                                      change nothing, and a start says so when they are set to the other
//	keys of a file without a name of their own (Go fields of etcd)
//	                                      refused below TLS settings, else ignored with a warning
//	ETCD_UNSUPPORTED_ARCH                 as in etcd; linux/riscv64 needs none here
//
// A member that is told to stop by a signal ends with exit code 0; etcd ends by the signal (143 in a shell).
package config
