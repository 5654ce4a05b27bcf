"""The programs and the whole release, made by the canonical build command of release/table.json.

rules_go compiles package by package with flags and file names of its own, so what it links is not what `go build` links.
It serves the tests; what is published comes from the rules below, which run that one command in an action without network.
"""

load("@quoin_release_table//:table.bzl", "MODULE_FILES", "TABLE", "VERSION")

_GO = "@rules_go//go:toolchain"

GoSourcesInfo = provider(
    doc = "The Go sources of this repository that a target is made of.",
    fields = {"files": "depset of files"},
)

def _go_sources_impl(target, ctx):
    if target.label.repo_name:
        return [GoSourcesInfo(files = depset())]  # of another module: the proxy has it
    direct, transitive = [], []
    for name in ["srcs", "embedsrcs"]:
        for source in getattr(ctx.rule.attr, name, []):
            direct += source.files.to_list()
    for name in ["deps", "embed"]:
        transitive += [d[GoSourcesInfo].files for d in getattr(ctx.rule.attr, name, []) if GoSourcesInfo in d]
    return [GoSourcesInfo(files = depset(direct, transitive = transitive))]

_go_sources = aspect(
    implementation = _go_sources_impl,
    attr_aspects = ["deps", "embed"],
    doc = "Collects sources along the edges that gazelle keeps. A package that only another platform imports is missed: `go build` then names it.",
)

StringInfo = provider(doc = "The value of a flag.", fields = {"value": "string"})

string_flag = rule(
    implementation = lambda ctx: StringInfo(value = ctx.build_setting_value),
    build_setting = config.string(flag = True),
    doc = "A flag of the command line.",
)

def _required(ctx, name, hint):
    value = getattr(ctx.attr, "_" + name)[StringInfo].value
    if not value:
        fail("%s is stamped with the %s: pass --//release:%s=%s" % (ctx.label, name, name, hint))
    return value

def _commit(ctx):
    commit = _required(ctx, "commit", "$(git rev-parse HEAD)")
    digits = commit.removesuffix("-dirty")
    if len(digits) != 40 or [c for c in digits.elems() if c not in "0123456789abcdef"]:
        fail("--//release:commit=%s: not 40 hexadecimal digits" % commit)
    return commit

def _version(ctx):
    return ctx.attr._version[StringInfo].value or VERSION

# $1 is the directory of the SDK, $2 that of the module proxy, $3 a list of sources. The sources are copied to real files,
# since the sandbox holds links, and go:embed takes none. What go says matters only when it fails.
_SETUP = """set -eu
top=$PWD
work=$(mktemp -d "$top/work.XXXXXX")
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir "$work/src" "$work/tmp"
export HOME="$work" TMPDIR="$work/tmp" GOCACHE="$work/cache" GOMODCACHE="$work/modules" GOPATH="$work/path"
export GOROOT="$top/$1" GOPROXY="file://$top/$2" GOSUMDB=off
export PATH="$GOROOT/bin:$PATH"
tar -chf - -T "$3" | tar -xf - -C "$work/src"
cd "$work/src"
quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
"""

def _quoted(words):
    return " ".join(["'%s'" % word.replace("'", "'\\''") for word in words])

def _go_action(ctx, *, output, programs, script, arguments, environment, inputs = [], **kwargs):
    """Runs a script in a copy of the sources, with the SDK, the modules and the environment of the table.

    Args:
        ctx: of the rule.
        output: the directory that the script makes.
        programs: targets with the aspect; their sources are there.
        script: shell; its $1 and following are the arguments.
        arguments: of the script.
        environment: variables besides those of the table.
        inputs: more files of this repository that are there.
        **kwargs: of ctx.actions.run_shell.
    """
    sdk = ctx.toolchains[_GO].sdk
    if "go" + sdk.version != TABLE["go"]:
        fail("MODULE.bazel has Go %s, and release/table.json pins %s: make them equal" % (sdk.version, TABLE["go"]))
    sources = depset(ctx.files._modules + inputs, transitive = [p[GoSourcesInfo].files for p in programs])
    names = ctx.actions.args().set_param_file_format("multiline").add_all(sources)
    manifest = ctx.actions.declare_file(ctx.label.name + ".sources")
    ctx.actions.write(manifest, names)
    proxy = ctx.files._proxy[0].path.partition("/proxy/")[0] + "/proxy"
    ctx.actions.run_shell(
        inputs = depset(
            [manifest, sdk.root_file, sdk.go] + kwargs.pop("more", []),
            transitive = [sources, ctx.attr._proxy.files, sdk.srcs, sdk.tools, sdk.headers],
        ),
        outputs = [output],
        env = TABLE["environment"] | {"GOTOOLCHAIN": TABLE["go"], "LC_ALL": "C", "PATH": "/usr/bin:/bin"} | environment,
        arguments = [sdk.root_file.dirname, proxy, manifest.path] + arguments,
        command = _SETUP + "shift 3\n" + script,
        execution_requirements = {"block-network": "1"},
        **kwargs
    )

def _build(platform, programs, ldflags, out):
    """Returns the canonical command for one platform, as spec.Args of tools/release has it, and gives the programs their names."""
    extension = ".exe" if platform.startswith("windows/") else ""
    words = ["quietly", "go", "build"] + TABLE["flags"] + ["-ldflags=" + " ".join(ldflags)]
    lines = ["%s -o \"%s/\" %s" % (_quoted(words), out, _quoted([p["package"] for p in programs]))]
    for p in programs:
        built = p["package"].rpartition("/")[2]
        if built != p["name"]:
            lines.append("mv \"%s/\"%s \"%s/\"%s" % (out, _quoted([built + extension]), out, _quoted([p["name"] + extension])))
    return lines

def _binaries_impl(ctx):
    platform = ctx.attr.platform
    goos, _, goarch = platform.partition("/")
    stamps = {"{commit}": _commit(ctx), "{version}": _version(ctx)}

    def stamped(flags):
        for placeholder, value in stamps.items():
            flags = [flag.replace(placeholder, value) for flag in flags]
        return flags

    output = ctx.actions.declare_directory(ctx.label.name)
    to = "$top/$1/%s-%s" % (goos, goarch)
    lines = _build(platform, TABLE["programs"], stamped(TABLE["ldflags"]), to)
    if ctx.attr.debug:
        lines += _build(platform, TABLE["programs"] + TABLE["debugPrograms"], stamped(TABLE["debugLdflags"]), to + "/debug")
    _go_action(
        ctx,
        output = output,
        programs = ctx.attr.programs,
        script = "\n".join(lines),
        arguments = [output.path],
        environment = {"GOARCH": goarch, "GOOS": goos},
        mnemonic = "GoRelease",
        progress_message = "Compiling the release for " + platform,
    )
    return [DefaultInfo(files = depset([output]))]

_TOOLS = {
    "_commit": attr.label(default = "//release:commit"),
    "_modules": attr.label(default = "//release:modules"),
    "_proxy": attr.label(default = "@quoin_go_modules//:proxy"),
    "_version": attr.label(default = "//release:version"),
}

_binaries = rule(
    implementation = _binaries_impl,
    attrs = _TOOLS | {
        "debug": attr.bool(doc = "Also the programs with symbols, below debug."),
        "platform": attr.string(mandatory = True, doc = "GOOS/GOARCH"),
        "programs": attr.label_list(
            mandatory = True,
            aspects = [_go_sources],
            doc = "The go_binary of every program, for its sources. It is not built.",
        ),
    },
    toolchains = [_GO],
    doc = "A directory with all programs of one platform, as PLATFORM/PROGRAM: one action, which compiles the standard library once.",
)

def _binary_impl(ctx):
    directory = ctx.file.binaries
    output = ctx.actions.declare_file("%s/%s" % (ctx.label.name, ctx.attr.file.rpartition("/")[2]))
    ctx.actions.run_shell(
        inputs = [directory],
        outputs = [output],
        arguments = [directory.path + "/" + ctx.attr.file, output.path],
        command = "cp \"$1\" \"$2\"",
        mnemonic = "GoReleaseBinary",
        progress_message = "Taking " + ctx.attr.file,
    )
    return [DefaultInfo(files = depset([output]), executable = output)]

_binary = rule(
    implementation = _binary_impl,
    attrs = {
        "binaries": attr.label(mandatory = True, allow_single_file = True),
        "file": attr.string(mandatory = True, doc = "PLATFORM/PROGRAM"),
    },
    executable = True,
    doc = "One program.",
)

def _merged_impl(ctx):
    output = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        inputs = ctx.files.srcs,
        outputs = [output],
        arguments = [output.path] + [d.path for d in ctx.files.srcs],
        command = "out=$1; shift; for d; do cp -R \"$d\"/. \"$out\"; done",
        mnemonic = "GoReleaseBinaries",
        progress_message = "Collecting the programs of all platforms",
    )
    return [DefaultInfo(files = depset([output]))]

_merged = rule(
    implementation = _merged_impl,
    attrs = {"srcs": attr.label_list(mandatory = True)},
    doc = "The directories of several platforms in one.",
)

def _dist_impl(ctx):
    output = ctx.actions.declare_directory(ctx.label.name)
    epoch = _required(ctx, "epoch", "$(git show --no-patch --format=%ct HEAD)")
    _go_action(
        ctx,
        output = output,
        programs = [ctx.attr.tool],
        script = "quietly go run %s build --binaries \"$top/$1\" --out \"$top/$2\" --platforms \"$3\" --commit \"$4\" --version \"$5\"" %
                 _quoted(["./" + ctx.attr.tool.label.package]),
        arguments = [ctx.file.binaries.path, output.path, ",".join(ctx.attr.platforms), _commit(ctx), _version(ctx)],
        environment = {"SOURCE_DATE_EPOCH": epoch},
        inputs = ctx.files.files,
        more = [ctx.file.binaries],
        mnemonic = "GoReleaseDist",
        progress_message = "Packing the release",
    )
    return [DefaultInfo(files = depset([output]))]

_dist = rule(
    implementation = _dist_impl,
    attrs = _TOOLS | {
        "binaries": attr.label(mandatory = True, allow_single_file = True),
        "files": attr.label_list(mandatory = True, allow_files = True, doc = "What is packed besides the programs."),
        "platforms": attr.string_list(mandatory = True),
        "tool": attr.label(
            mandatory = True,
            aspects = [_go_sources],
            doc = "The go_binary of tools/release, for its sources. `go run` builds it: rules_go may choose newer modules than go.work, and their compressors other bytes.",
        ),
        "_epoch": attr.label(default = "//release:epoch"),
    },
    toolchains = [_GO],
    doc = "A complete release, by `go run ./tools/release build --binaries`.",
)

def _label(package):
    return "//" + package.removeprefix("./")

def release(*, tool, files):
    """All targets of a release: commit, version, epoch; PROGRAM_OS_ARCH, binaries[_OS_ARCH], dist[_OS_ARCH].

    All but the flags are manual, since they need a commit.

    Args:
        tool: the go_binary of tools/release.
        files: what it packs besides the programs.
    """
    for flag in ["commit", "epoch", "version"]:
        string_flag(name = flag, build_setting_default = "")
    native.filegroup(
        name = "modules",
        visibility = ["//tools/release:__subpackages__"],
        srcs = ["//%s:%s" % (name.rpartition("/")[0], name.rpartition("/")[2]) for name in MODULE_FILES],
    )
    for platform in TABLE["platforms"]:
        name = platform.replace("/", "_")
        linux = platform.startswith("linux/")  # images are for Linux, and only they hold symbols
        _binaries(
            name = "binaries_" + name,
            debug = linux,
            platform = platform,
            programs = [_label(p["package"]) for p in TABLE["programs"] + (TABLE["debugPrograms"] if linux else [])],
            tags = ["manual"],
        )
        for program in TABLE["programs"]:
            extension = ".exe" if platform.startswith("windows/") else ""
            _binary(
                name = "%s_%s" % (program["name"], name),
                binaries = ":binaries_" + name,
                file = "%s/%s%s" % (platform.replace("/", "-"), program["name"], extension),
                tags = ["manual"],
            )
        _dist(
            name = "dist_" + name,
            binaries = ":binaries_" + name,
            files = files,
            platforms = [platform],
            tags = ["manual"],
            tool = tool,
        )
    _merged(
        name = "binaries",
        srcs = [":binaries_" + platform.replace("/", "_") for platform in TABLE["platforms"]],
        tags = ["manual"],
    )
    _dist(
        name = "dist",
        binaries = ":binaries",
        files = files,
        platforms = TABLE["platforms"],
        tags = ["manual"],
        tool = tool,
    )
