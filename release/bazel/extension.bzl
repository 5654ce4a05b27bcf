"""What the release targets must know before they exist: the table, the version, and the Go modules."""

load("@go_host_compatible_sdk_label//:defs.bzl", "HOST_COMPATIBLE_SDK")

_TABLE = Label("//release:table.json")
_VERSION = Label("//src/api/version:version.go")
_VERSION_LINE = "var Product = "
_GO_WORK = Label("//:go.work")

def _module_files(rctx):
    """Returns the names of go.work, go.work.sum, and of go.mod and go.sum of every module that go.work uses."""
    names, block = ["go.work", "go.work.sum"], ""
    for line in rctx.read(_GO_WORK).splitlines():
        words = [w for w in line.replace("\t", " ").partition("//")[0].split(" ") if w]
        if block:
            words = [block] + words
        if words[1:] == ["("]:
            block = words[0]
        elif words[1:] == [")"]:
            block = ""
        elif len(words) == 2 and words[0] == "use":
            directory = words[1].removeprefix("./").removeprefix(".")
            names += [directory + "/" + name if directory else name for name in ["go.mod", "go.sum"]]
    return names

def _release_table_impl(rctx):
    version = [
        line.removeprefix(_VERSION_LINE).strip("\"")
        for line in rctx.read(_VERSION).splitlines()
        if line.startswith(_VERSION_LINE)
    ]
    if len(version) != 1:
        fail("%s has %d lines that begin with %r, expected one" % (_VERSION, len(version), _VERSION_LINE))
    rctx.file("BUILD.bazel")
    rctx.file("table.bzl", "".join(["%s = %r\n" % constant for constant in [
        ("TABLE", json.decode(rctx.read(_TABLE))),
        ("VERSION", version[0]),
        ("MODULE_FILES", _module_files(rctx)),
    ]]))

release_table = repository_rule(
    implementation = _release_table_impl,
    doc = "release/table.json, the version of the product, and the names of the files that define the Go modules.",
)

def _go_modules_impl(rctx):
    top = rctx.path(_GO_WORK).dirname
    for name in _module_files(rctx):
        rctx.file(name, rctx.read(top.get_child(name)), executable = False)
    goroot = rctx.path(HOST_COMPATIBLE_SDK).dirname
    environment = {
        "GOCACHE": str(rctx.path("cache")),
        "GOENV": "off",
        "GOFLAGS": "-modcacherw",
        "GOMODCACHE": str(rctx.path("modules")),
        "GOPATH": str(rctx.path("path")),
        "GOROOT": str(goroot),
        "GOTOOLCHAIN": "local",
        "HOME": str(rctx.path(".")),
    }
    for name in ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"]:
        value = rctx.getenv(name)
        if value:
            environment[name] = value
    done = rctx.execute([goroot.get_child("bin", "go"), "mod", "download"], environment = environment, timeout = 1800)
    if done.return_code:
        fail("go mod download: " + done.stderr)

    # What is left are the files that a proxy serves, as a directory.
    done = rctx.execute(["mv", "modules/cache/download", "proxy"])
    if done.return_code:
        fail(done.stderr)
    for name in ["modules", "cache", "path", "proxy/sumdb"]:
        rctx.delete(name)
    rctx.file("BUILD.bazel", """\
filegroup(
    name = "proxy",
    srcs = glob(
        ["proxy/**"],
        exclude = ["**/*.lock"],
    ),
    visibility = ["//visibility:public"],
)
""")

go_modules = repository_rule(
    implementation = _go_modules_impl,
    doc = """The modules of go.work, as the directory of a Go module proxy.

`go mod download` fetches them and checks each against go.sum. With that directory the canonical build command works
without network and in the mode that it has elsewhere: vendored modules would leave no sums in the build information of the
programs, and so make other bytes.""",
)

def _release_impl(_mctx):
    release_table(name = "quoin_release_table")
    go_modules(name = "quoin_go_modules")

release = module_extension(
    implementation = _release_impl,
    doc = "The repositories that //release is made of.",
)
