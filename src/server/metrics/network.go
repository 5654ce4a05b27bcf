package metrics

import (
	"quoin.dev/server/member"
	"quoin.dev/server/membership"
	"quoin.dev/server/peer"
)

var (
	networkFamilies catalog

	knownPeers = networkFamilies.gauge("etcd_network_known_peers", "1 for each member of the cluster, this one included.", "Local", "Remote")
	activePeer = networkFamilies.gauge("etcd_network_active_peers", "Whether there is a stream from another member.", "Local", "Remote")
	lostPeer   = networkFamilies.counter("etcd_network_disconnected_peers_total", "Times that the last stream from another member broke.", "Local", "Remote")

	peerSent         = networkFamilies.counter("etcd_network_peer_sent_bytes_total", "Bytes sent to another member, snapshots included.", "To")
	peerReceived     = networkFamilies.counter("etcd_network_peer_received_bytes_total", "Bytes received from another member, snapshots included.", "From")
	peerSendFailed   = networkFamilies.counter("etcd_network_peer_sent_failures_total", "Messages to another member that were lost.", "To")
	peerReceiveFails = networkFamilies.counter("etcd_network_peer_received_failures_total", "Messages of another member that were lost or broken.", "From")
	peerRoundTrip    = networkFamilies.histogram("etcd_network_peer_round_trip_time_seconds", "How long another member took to answer a probe.", "To")

	snapshotsSent     = transferFamilies("send", "Databases sent to another member", "To")
	snapshotsReceived = transferFamilies("receive", "Databases received from another member", "From")
)

// transfers are the families about snapshots on one way.
type transfers struct{ done, failed, underWay, took *family }

func transferFamilies(way, what, label string) transfers {
	name := "etcd_network_snapshot_" + way + "_"
	return transfers{
		done:     networkFamilies.counter(name+"success", what+".", label),
		failed:   networkFamilies.counter(name+"failures", what+", in vain.", label),
		underWay: networkFamilies.gauge(name+"inflights_total", what+" at present.", label),
		took:     networkFamilies.histogram(name+"total_duration_seconds", what+": how long that took.", label),
	}
}

// network is about the other members, once there was any traffic with them.
func (o out) network(id uint64, m *member.Meter) {
	local := membership.FormatID(id)
	m.Peers.Each(func(id uint64, l *peer.Link) {
		remote := membership.FormatID(id)
		o.truth(activePeer, l.Up.Load(), local, remote)
		o.count(lostPeer, l.Losses.Load(), local, remote)
		o.count(peerSent, l.SentBytes.Load(), remote)
		o.count(peerReceived, l.ReceivedBytes.Load(), remote)
		o.count(peerSendFailed, l.SendFailures.Load(), remote)
		o.count(peerReceiveFails, l.ReceiveFailures.Load(), remote)
		o.spread(peerRoundTrip, l.RoundTrip, remote)
		o.transfers(snapshotsSent, &l.SnapshotsSent, remote)
		o.transfers(snapshotsReceived, &l.SnapshotsTaken, remote)
	})
}

func (o out) transfers(f transfers, t *peer.Transfers, remote string) {
	o.count(f.done, t.Done.Load(), remote)
	o.count(f.failed, t.Failed.Load(), remote)
	o.put(f.underWay, float64(t.UnderWay.Load()), remote)
	o.spread(f.took, t.Took, remote)
}
