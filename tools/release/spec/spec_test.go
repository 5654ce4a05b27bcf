package spec_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"quoin.dev/quoin/tools/release/spec"
)

const root = "../../.."

func table(t *testing.T) *spec.Table {
	t.Helper()
	table, err := spec.ReadTable(root)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestEveryProgramIsReleased: a new command below src is either in the table, or this test says that it is not.
func TestEveryProgramIsReleased(t *testing.T) {
	g := NewWithT(t)
	dirs, err := filepath.Glob(filepath.Join(root, "src", "*", "cmd", "*"))
	g.Expect(err).NotTo(HaveOccurred())
	var commands, listed []string
	for _, dir := range dirs {
		rel, err := filepath.Rel(root, dir)
		g.Expect(err).NotTo(HaveOccurred())
		commands = append(commands, "./"+filepath.ToSlash(rel))
	}
	for _, p := range table(t).Programs {
		listed = append(listed, p.Package)
	}
	g.Expect(listed).To(ConsistOf(commands))
}

func TestTheCanonicalCommand(t *testing.T) {
	g := NewWithT(t)
	r := &spec.Release{Table: *table(t), Version: "0.9.1", Commit: "c0ffee"}
	p := spec.Platform{OS: "windows", Arch: "amd64"}
	line := r.Shell(spec.Build{Platform: p, Programs: r.Programs, Out: "bin/", Jobs: 1})
	g.Expect(line).To(ContainSubstring("CGO_ENABLED=0 "))
	g.Expect(line).To(ContainSubstring("GOARCH=amd64 "))
	g.Expect(line).To(ContainSubstring("GOOS=windows "))
	g.Expect(line).To(HaveSuffix("go build -trimpath -buildvcs=false -p=1 '-ldflags=-s -w -buildid= " +
		"-X=quoin.dev/api/version.GitSHA=c0ffee -X=quoin.dev/api/version.Product=0.9.1' -o bin/ ./src/server/cmd/quoin ./src/ctl/cmd/quoinctl ./src/utl/cmd/quoinutl"))
	g.Expect(p.Binary("quoin")).To(Equal("quoin.exe"))

	debug := strings.Join(r.Args(spec.Build{Platform: p, Debug: true}), " ")
	g.Expect(debug).NotTo(ContainSubstring("-s -w"))
	g.Expect(debug).To(ContainSubstring("GitSHA=c0ffee"))
}

func TestSelect(t *testing.T) {
	g := NewWithT(t)
	g.Expect(table(t).Select("all")).To(HaveLen(8))
	g.Expect(table(t).Select("linux/s390x, linux/s390x,darwin/arm64")).To(Equal([]spec.Platform{{OS: "linux", Arch: "s390x"}, {OS: "darwin", Arch: "arm64"}}))
	_, err := table(t).Select("plan9/amd64")
	g.Expect(err).To(MatchError(ContainSubstring(`"plan9/amd64" is not a platform of a release; there are linux/amd64`)))
}

// TestAMisspeltTableIsRefused: a setting that nobody reads would change the bytes for nobody.
func TestAMisspeltTableIsRefused(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.Mkdir(filepath.Join(dir, "release"), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "release", "table.json"), []byte(`{"enviroment": {}}`), 0o600)).To(Succeed())
	_, err := spec.ReadTable(dir)
	g.Expect(err).To(MatchError(ContainSubstring("enviroment")))

	g.Expect((&spec.Table{Go: "go1.1"}).CheckToolchain()).To(MatchError(ContainSubstring("pins go1.1")))
}
