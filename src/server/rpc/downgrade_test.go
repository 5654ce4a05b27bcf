package rpc

import (
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc/status"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/rpctypes"
)

func TestDowngrade(t *testing.T) {
	w := NewWithT(t)
	s := serve(t, nil)
	maintenance := pb.NewMaintenanceClient(s.conn)
	w.Eventually(func() string { return s.m.Versions().Cluster }, "20s").Should(Equal("3.7.0"))
	put := s.put(t, "a", "1")
	begun := false // from then on the cluster may go down at any time
	for _, tt := range []struct {
		action  pb.DowngradeRequest_DowngradeAction
		version string
		want    error
	}{
		{pb.DowngradeRequest_VALIDATE, "3.6", nil},
		{pb.DowngradeRequest_VALIDATE, "3.5", rpctypes.ErrGRPCInvalidDowngradeTargetVersion},
		{pb.DowngradeRequest_ENABLE, "3", rpctypes.ErrGRPCWrongDowngradeVersionFormat},
		{pb.DowngradeRequest_CANCEL, "", nil},
		{pb.DowngradeRequest_DowngradeAction(7), "3.6", errUnknownMethod},
		{pb.DowngradeRequest_ENABLE, "3.6", nil},
		{pb.DowngradeRequest_CANCEL, "whatever", nil},
	} {
		r, err := maintenance.Downgrade(t.Context(), &pb.DowngradeRequest{Action: tt.action, Version: tt.version})
		if tt.want != nil {
			w.Expect(status.Convert(err).Proto()).To(HaveField("Message", status.Convert(tt.want).Message()))
			w.Expect(status.Code(err)).To(Equal(status.Code(tt.want)))
			continue
		}
		w.Expect(err).NotTo(HaveOccurred(), "%s %s", tt.action, tt.version)
		w.Expect(r.Version).To(Or(Equal("3.7"), And(Equal("3.6"), Satisfy(func(string) bool { return begun }))))
		begun = begun || tt.action == pb.DowngradeRequest_ENABLE
		w.Expect(r.Header.Revision).To(Equal(put.Header.Revision))
		w.Expect(r.Header.MemberId).To(Equal(s.m.ID()))
	}
}
