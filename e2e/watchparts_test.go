package e2e

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/quoin/e2e/cluster"
)

// mostBytes is what a member sends in one part: what a request may be by default, and the room for gRPC around it.
const mostBytes = 1572864 + 512<<10

var _ = DescribeTable("the changes of one revision that are more than a request may be", func(past bool) {
	c := start(cluster.Options{Members: 1})
	ctx := within(time.Minute)
	conn, err := grpc.NewClient(strings.TrimPrefix(c.Members[0].ClientURL, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	open := func(fragment bool) pb.Watch_WatchClient {
		stream, err := pb.NewWatchClient(conn).Watch(ctx)
		Expect(err).NotTo(HaveOccurred())
		req := &pb.WatchCreateRequest{Key: []byte("big/"), RangeEnd: []byte("big0"), PrevKv: true, Fragment: fragment}
		if past {
			req.StartRevision = 2
		}
		Expect(stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: req}})).To(Succeed())
		created, err := stream.Recv()
		Expect(err).NotTo(HaveOccurred())
		Expect(created.Created).To(BeTrue())
		return stream
	}
	write := func(letter string) {
		var ops []client.Op
		for i := range 4 {
			ops = append(ops, client.OpPut(fmt.Sprint("big/", i), strings.Repeat(letter, 350<<10)))
		}
		_, err := connect(c).Txn(ctx).Then(ops...).Commit()
		Expect(err).NotTo(HaveOccurred())
	}
	// With the values before, the second transaction is twice as large as the first, which is sent in one part.
	listen := func(fragment bool) (parts []*pb.WatchResponse) {
		stream := open(fragment)
		if !past {
			write("a")
			write("b")
		}
		for events := 0; events < 8; {
			r, err := stream.Recv()
			Expect(err).NotTo(HaveOccurred())
			parts = append(parts, r)
			events += len(r.Events)
		}
		return parts
	}
	if past {
		write("a")
		write("b")
	}
	values := ""
	for i, r := range listen(true) {
		Expect(r.SizeVT()).To(BeNumerically("<", mostBytes), "part %d", i)
		for j, e := range r.Events {
			values += string(e.Kv.Value[:1])
			// All parts of a revision but the last say that there are more.
			if j == len(r.Events)-1 && !r.Fragment {
				values += "."
			}
		}
	}
	Expect(values).To(Or(Equal("aaaa.bbbb."), Equal("aaaabbbb.")), "every event once, in whole responses")
	whole := listen(false)
	for _, r := range whole {
		Expect(r.Fragment).To(BeFalse())
	}
	Expect(whole[len(whole)-1].SizeVT()).To(BeNumerically(">", mostBytes))
},
	Entry("come in parts as they happen", false),
	Entry("come in parts from the past", true),
)
