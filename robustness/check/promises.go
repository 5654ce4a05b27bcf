package check

// promises are what the store is held to.
var promises = []promise{
	{"linearizable", "There is an order of all operations that explains every answer and respects the times of the calls.", linearizable},
	{"serializable", "Every answer about keys is what the log says at the revision that the answer names.", serializable},
	{"realtime", "No answer is older than what was known before it was asked for.", realtime},
	{"asked", "Every change was asked for, and was made once.", asked},
	{"divergence", "All members tell of the same changes at the same revisions.", divergence},
	{"watch-order", "A watch hears of events in the order of their revisions, and of none twice.", watchOrder},
	{"watch-atomic", "A watch hears of all events of a revision at once.", watchAtomic},
	{"watch-reliable", "A watch hears of everything that it asked for between the first and the last that it hears, and of nothing else.", watchReliable},
	{"watch-resumable", "A watch that begins at a revision hears of everything from there on, and of nothing before.", watchResumable},
	{"watch-progress", "A progress notification tells the truth: nothing up to its revision comes later.", watchProgress},
	{"watch-cancel", "A watch that is ended by the member says why, and one that is behind a compaction says which.", watchCancel},
	{"watch-delivery", "What was changed reaches every watch of everything within a bound.", watchDelivery},
	{"durable", "What was acknowledged is in the logs on the disks of most voters, and was not taken back.", durable},
	{"hashes", "All members hold the same when all is quiet.", hashes},
	{"members", "All members list the members of the cluster, each with its vote, when all is quiet.", members},
	{"leases", "A lease lives for its time after each renewal, not much longer, and its keys end with it.", leases},
	{"locks", "A lock has one holder at a time.", locks},
	{"available", "Writes go on while a majority is there, and soon after it is back.", available},
	{"serving", "A member that nothing is wrong with answers while the others go on, and one whose disk hangs leaves it to them, and says so.", serving},
	{"logs", "No member crashed, raced or ended by itself.", logs},
	{"faults", "Every fault was seen to bite.", faults},
}
