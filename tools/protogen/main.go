// Command protogen compiles the .proto files of src/api and writes the Go code generated from them.
//
// The code of the JSON gateway goes to where only the server links it, so that clients do not carry it. It needs no protoc: the
// compiler is a library, and the plugins are the tools that go.mod pins. Run it from the top of the repository:
//
//	go run ./tools/protogen          # rewrite the generated files
//	go run ./tools/protogen -check   # fail when one of them is stale
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	_ "go.etcd.io/raft/v3/raftpb" // registers raft.proto
	_ "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	protoRoot   = "src/api"
	gatewayRoot = "src/server/gateway/internal"
)

// plugins are run as `go tool NAME`, in this order, each with its parameter and the folder of what it generates.
var plugins = []struct{ tool, parameter, root string }{
	{"protoc-gen-go", "module=quoin.dev/api", protoRoot},
	{"protoc-gen-go-grpc", "module=quoin.dev/api,require_unimplemented_servers=true", protoRoot},
	{"protoc-gen-go-vtproto", "module=quoin.dev/api,features=marshal+unmarshal+unmarshal_unsafe+size", protoRoot},
	{"protoc-gen-grpc-gateway", "module=quoin.dev/api,standalone=true", gatewayRoot},
}

func main() {
	check := flag.Bool("check", false, "report stale generated files and exit 1 instead of writing them")
	flag.Parse()
	stale, err := run(*check)
	if err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
	if *check && len(stale) > 0 {
		fmt.Fprintf(os.Stderr, "protogen: stale, run `go run ./tools/protogen`: %s\n", strings.Join(stale, ", "))
		os.Exit(1)
	}
}

// run generates everything and returns the files whose content differs from what is on disk.
func run(check bool) (stale []string, err error) {
	request, err := compile()
	if err != nil {
		return nil, err
	}
	for _, p := range plugins {
		request.Parameter = proto.String(p.parameter)
		files, err := invoke(p.tool, request)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := filepath.Join(p.root, f.GetName())
			old, _ := os.ReadFile(name)
			if bytes.Equal(old, []byte(f.GetContent())) {
				continue
			}
			stale = append(stale, name)
			if check {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(name, []byte(f.GetContent()), 0o644); err != nil {
				return nil, err
			}
		}
	}
	return stale, nil
}

// compile parses every .proto file below protoRoot and returns them, dependencies first, as plugins want them.
func compile() (*pluginpb.CodeGeneratorRequest, error) {
	var names []string
	err := filepath.WalkDir(protoRoot, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".proto") {
			rel, _ := filepath.Rel(protoRoot, path)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{protoRoot}},
			protocompile.ResolverFunc(linkedIn),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names}
	seen := map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		request.ProtoFile = append(request.ProtoFile, protodesc.ToFileDescriptorProto(fd))
	}
	for _, fd := range compiled {
		add(fd)
	}
	return request, nil
}

// linkedIn resolves an import from the descriptors of the Go packages linked into this program.
func linkedIn(path string) (protocompile.SearchResult, error) {
	fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return protocompile.SearchResult{}, err
	}
	var p *descriptorpb.FileDescriptorProto = protodesc.ToFileDescriptorProto(fd)
	return protocompile.SearchResult{Proto: p}, nil
}

func invoke(tool string, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "tool", tool)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tool, err)
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, fmt.Errorf("%s: %w", tool, err)
	}
	if response.GetError() != "" {
		return nil, fmt.Errorf("%s: %s", tool, response.GetError())
	}
	return response.File, nil
}
