// Package netfault makes the network between nodes bad: links that lose, refuse, delay or hold up packets, in one direction at a time.
//
// A node is a network namespace and an address in it. A link is a direction: the packets that one node sends to another. The
// condition of a link is brought about where its packets arrive, in the namespace of the receiver, so that the sender learns no
// more than it would from a cable that was cut; its kernel would tell it of packets that it drops itself. Only where the receiver
// is outside, such as the lab with its clients, it is brought about where the packets leave.
//
// # Dropped, lost, refused
//
// Each namespace holds one table of nftables with two chains, for what arrives and for what leaves. When a condition changes, all
// rules of the table are written anew from the conditions as they should be, in one batch that the kernel takes as a whole or not
// at all. The rules know nothing of connections, so they hold for those that are there already as well as for new ones; and a
// connection that has survived goes on when they are gone.
//
// A refused packet is answered with a TCP reset. That ends the sender's connection but not the receiver's, and none that is idle.
// So the sockets of the link are also destroyed in the receiver's namespace when the condition is set, which resets both ends.
//
// # Late, slow
//
// Not every kernel has netem, and some do not have nftables' own way to a queue. But the NFQUEUE target of iptables can be had from
// a rule of nftables. It hands packets to the lab, by a netlink socket in the namespace, and the kernel holds each of them until
// the lab has said to let it go. The lab learns addresses and length only. A lane is what it knows of one link: when a packet that
// comes now may go. The number of packets, their bytes, and the bytes that wait for a slow link are bounded; what is too much is
// dropped. If the lab ends, so does the queue, and packets go on as if there had never been one.
//
// What the queue sees may be longer than a packet on a cable, since the kernel takes apart what TCP sends in one go only where the
// device needs that, and no device does here. One loss can be 64 KiB.
//
// # Proof
//
// Every rule and every lane counts what it has done something to. Net.Bit tells how much that was since the condition was set; a
// fault of which that is nothing has not happened.
//
// # Restarts
//
// The namespace of a container ends with its process. Net.Attach with the next namespace brings the conditions about in it, and
// counting goes on.
package netfault
