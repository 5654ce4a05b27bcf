package printer_test

import (
	"fmt"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/client"
	"quoin.dev/ctl/printer"
)

var changed = []*pb.Member{
	{
		ID: 0x0123, Name: "a<b>\"", PeerURLs: []string{"http://p1", "http://p2"},
		ClientURLs: []string{"http://" + endpoint, "http://" + endpoint + "/x"},
	},
	{ID: 5, IsLearner: true, PeerURLs: []string{"http://p3:1", "http://p4:1"}},
	{ID: 6, Name: "näme", ClientURLs: []string{"http://localhost:25551"}},
}

var raised = []*pb.AlarmMember{
	{MemberID: 0xfedcba9876543210, Alarm: pb.AlarmType_NOSPACE},
	{MemberID: 5, Alarm: pb.AlarmType_CORRUPT},
	{Alarm: pb.AlarmType_NOSPACE},
	{MemberID: 7},
	{MemberID: 8, Alarm: 9},
}

// showChange prints what commands that change the cluster are answered.
func showChange(p printer.Printer, response string) error {
	switch response {
	case "memberadd":
		return p.MemberAdd("näw\"", []string{"http://p4:1", "http://p3:1"},
			&pb.MemberAddResponse{Header: header, Member: changed[1], Members: changed})
	case "memberremove":
		return p.MemberRemove(5, &pb.MemberRemoveResponse{Header: header, Members: changed})
	case "memberupdate":
		return p.MemberUpdate(0x123, &pb.MemberUpdateResponse{Header: header, Members: changed})
	case "memberpromote":
		return p.MemberPromote(0xfedcba987654321, &pb.MemberPromoteResponse{Header: header, Members: changed})
	case "moveleader":
		return p.MoveLeader(0x123, 0xfff, &pb.MoveLeaderResponse{Header: header})
	case "alarms":
		return p.Alarm(&pb.AlarmResponse{Header: header, Alarms: raised})
	case "downgrade":
		return p.Downgrade(client.DowngradeValidate, &pb.DowngradeResponse{Header: header, Version: "3<7\""})
	default:
		panic(fmt.Sprintf("there is no response %s", response))
	}
}
