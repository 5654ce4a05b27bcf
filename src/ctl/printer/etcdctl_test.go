package printer_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	pb "quoin.dev/api/etcdserverpb"
	"quoin.dev/api/mvccpb"
	"quoin.dev/ctl/printer"
)

// The files in testdata/etcdctl are what etcdctl 3.7.3 printed for the responses below; put.fields.hex is the put
// response with --write-out=fields --hex. There is no .hex file where --hex changes nothing.

var header = &pb.ResponseHeader{ClusterId: 0x0abc, MemberId: 0x0123, Revision: 7, RaftTerm: 3}

// binaryKV holds what the formats must quote or pass on unharmed; plainKV has zeros everywhere.
var (
	binaryKV = &mvccpb.KeyValue{
		Key: []byte("k\xff<>\"\n"), Value: []byte("v\x00\x1b é\xfe"),
		CreateRevision: 1, ModRevision: 2, Version: 3, Lease: -5,
	}
	plainKV = &mvccpb.KeyValue{Key: []byte("b"), Lease: 0x123}
)

const endpoint = "127.0.0.1:25551"

func show(p printer.Printer, response string) error {
	switch response {
	case "put":
		return p.Put(&pb.PutResponse{Header: header, PrevKv: binaryKV})
	case "range":
		return p.Range(&pb.RangeResponse{
			Header: header, Kvs: []*mvccpb.KeyValue{binaryKV, plainKV}, More: true, Count: -3,
		})
	case "del":
		return p.DeleteRange(&pb.DeleteRangeResponse{
			Header: header, Deleted: -2, PrevKvs: []*mvccpb.KeyValue{binaryKV, plainKV},
		})
	case "txn":
		return p.Txn(&pb.TxnResponse{Header: header, Responses: []*pb.ResponseOp{
			{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{PrevKv: binaryKV}}},
			{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{
				Header: header, Kvs: []*mvccpb.KeyValue{plainKV, binaryKV},
			}}},
			{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: &pb.DeleteRangeResponse{Deleted: 3}}},
		}})
	case "members":
		return p.MemberList(&pb.MemberListResponse{Header: header, Members: []*pb.Member{
			{
				ID: 0x0123, Name: "a<b>\"", PeerURLs: []string{"http://p1", "http://p2"},
				ClientURLs: []string{"http://" + endpoint, "http://" + endpoint + "/x"},
			},
			{ID: 5, IsLearner: true, PeerURLs: []string{"http://p3"}},
			{ID: 6, Name: "näme", ClientURLs: []string{"http://localhost:25551"}},
		}})
	case "status":
		return p.Status([]printer.Status{{Endpoint: endpoint, Response: &pb.StatusResponse{
			Header: header, Version: "1<2", DbSize: 30000, DbSizeInUse: 20000, DbSizeQuota: -1, Leader: 0x123,
			RaftIndex: 4, RaftTerm: 5, RaftAppliedIndex: 6, Errors: []string{"e<1>", "e\"2"}, IsLearner: true,
			StorageVersion: "s\"", DowngradeInfo: &pb.DowngradeInfo{Enabled: true, TargetVersion: "a\nb"},
		}}})
	case "hashkv":
		return p.HashKV([]printer.HashKV{{Endpoint: endpoint, Response: &pb.HashKVResponse{
			Header: header, Hash: 0xabc, CompactRevision: 3, HashRevision: 4,
		}}})
	default:
		return showChange(p, response)
	}
}

var responses = []string{
	"put", "range", "del", "txn", "members", "status", "hashkv",
	"memberadd", "memberremove", "memberupdate", "memberpromote", "moveleader", "alarms", "downgrade",
}

func TestOutputEqualsEtcdctl(t *testing.T) {
	for _, response := range responses {
		for _, format := range printer.Formats {
			if format == "yaml" {
				continue // etcdctl has none
			}
			for _, hex := range []bool{false, true} {
				name := response + "." + format
				if hex {
					name += ".hex"
				}
				t.Run(name, func(t *testing.T) {
					var out bytes.Buffer
					p, err := printer.New(format, &out, printer.Options{Hex: hex})
					if err != nil {
						t.Fatal(err)
					}
					err = show(p, response)
					want, supported := etcdctlOutput(t, name)
					if !supported {
						checkUnsupported(t, err, format)
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					if out.String() != want {
						t.Errorf("printed\n%q\nwant\n%q", out.String(), want)
					}
				})
			}
		}
	}
}

// etcdctlOutput falls back to the output without --hex.
func etcdctlOutput(t *testing.T, name string) (text string, exists bool) {
	t.Helper()
	for _, file := range []string{name, strings.TrimSuffix(name, ".hex")} {
		b, err := os.ReadFile(filepath.Join("testdata", "etcdctl", file))
		if err == nil {
			return string(b), true
		}
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return "", false
}

func checkUnsupported(t *testing.T, err error, format string) {
	t.Helper()
	var unsupported *printer.UnsupportedError
	if !errors.As(err, &unsupported) || unsupported.Error() != format+" not supported as output format" {
		t.Errorf("got error %v, want that %s is not supported", err, format)
	}
}

func TestValueOnly(t *testing.T) {
	var out bytes.Buffer
	p, err := printer.New("simple", &out, printer.Options{ValueOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := show(p, "range"); err != nil {
		t.Fatal(err)
	}
	want, _ := etcdctlOutput(t, "range.simple.value")
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestUnknownFormat(t *testing.T) {
	for _, format := range []string{"", "JSON", "xml"} {
		if _, err := printer.New(format, &bytes.Buffer{}, printer.Options{}); !errors.Is(err, printer.ErrUnknownFormat) {
			t.Errorf("format %q: got error %v", format, err)
		}
	}
	if !slices.IsSorted(printer.Formats) {
		t.Error("the formats are not sorted")
	}
}

func TestWriteErrorIsReturned(t *testing.T) {
	for _, format := range printer.Formats {
		p, err := printer.New(format, brokenPipe{}, printer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := show(p, "members"); !errors.Is(err, errBroken) {
			t.Errorf("%s: got error %v", format, err)
		}
	}
}

var errBroken = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBroken }
