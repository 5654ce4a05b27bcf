#!/usr/bin/env bash
# Bazel on this checkout, where neither the Bazel Central Registry nor GitHub nor go.dev can be reached.
set -euo pipefail

usage() {
	cat <<'U'
usage: tools/offline/bazel.sh DIR ARGS...

Acts as the command `bazel ARGS...` on this checkout. Bazel comes from Debian, its rules for Go from the Go module proxy,
the Go SDK is the installed one, and actions have no network. On first use everything is prepared in DIR, which takes
minutes and 2 GB; after that it is quick. A Bazel server stays until `tools/offline/bazel.sh DIR shutdown`.

  tools/offline/bazel.sh /var/tmp/bazel build //...
  tools/offline/bazel.sh /var/tmp/bazel test //...
  tools/offline/bazel.sh /var/tmp/bazel build //release:dist --//release:commit="$(git rev-parse HEAD)" \
      --//release:epoch="$(git show --no-patch --format=%ct HEAD)"

It needs root on Debian, the network for Debian's and Go's mirrors on first use, and the Go of release/table.json from an
official archive or image. Variables:

  QUOIN_DEBIAN_TREE   a tree of Debian forky that has bazel-bootstrap and bazel-rules-shell, instead of making one in DIR
  QUOIN_DEBIAN_MIRROR mirror to make the tree from (default: that of this machine)
U
}

case ${1:-} in
'' | -h | --help | help)
	usage
	exit 0
	;;
esac
[ $# -ge 2 ] || { usage >&2; exit 2; }

top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
tree=${QUOIN_DEBIAN_TREE:-$dir/debian}
export GOFLAGS='' GOTOOLCHAIN=local
modules=$(go env GOMODCACHE)
proxy=$modules/cache/download

fail() {
	echo "bazel.sh: $*" >&2
	exit 1
}

say() { echo "bazel.sh: $*" >&2; }

# quietly STEP COMMAND... runs a command whose output matters only when it fails.
quietly() {
	local step=$1 log=$dir/$1.log
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 12 "$log" >&2
		fail "$step failed; what it said ends above, and is in $log"
	}
}

# pinned NAME prints the version that MODULE.bazel has of a Bazel module.
pinned() {
	sed -n "s/^bazel_dep(name = \"$1\", version = \"\([^\"]*\)\")\$/\1/p" "$top/MODULE.bazel" | grep . ||
		fail "MODULE.bazel has no line bazel_dep(name = \"$1\", version = \"...\")"
}

# debian makes the tree in which Bazel runs. Configuring Java wants /proc.
debian() {
	[ -x "$tree/usr/bin/bazel" ] && return
	[ "$tree" = "$dir/debian" ] || fail "QUOIN_DEBIAN_TREE: $tree has no usr/bin/bazel"
	say "making a tree of Debian forky with Bazel, 1.3 GB"
	command -v debootstrap >/dev/null || quietly apt-get apt-get install -y -q --no-install-recommends debootstrap
	local mirror
	# shellcheck disable=SC2016 # a format of apt
	mirror=${QUOIN_DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | sed -n 1p)}
	local new=$tree.new
	rm -rf "$new"
	quietly debootstrap debootstrap --variant=minbase --include=ca-certificates forky "$new" "${mirror:-https://deb.debian.org/debian}" \
		/usr/share/debootstrap/scripts/sid
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d" # no service is started
	chmod +x "$new/usr/sbin/policy-rc.d"
	printf 'path-exclude=/usr/share/%s/*\n' doc man locale >"$new/etc/dpkg/dpkg.cfg.d/small"
	apt-config dump Acquire >"$new/etc/apt/apt.conf.d/00host" # proxies, and what this machine thinks of a mirror that stands still
	cp /etc/resolv.conf "$new/etc/resolv.conf"
	# shellcheck disable=SC2016 # expands in the inner shell
	quietly apt unshare --mount bash -euc '
		mount --rbind /dev "$1/dev"; mount --rbind /proc "$1/proc"; mount --rbind /sys "$1/sys"
		export DEBIAN_FRONTEND=noninteractive
		chroot "$1" apt-get update -q
		chroot "$1" apt-get install -y -q --no-install-recommends bazel-bootstrap bazel-rules-shell
		chroot "$1" apt-get clean' bash "$new"
	mv "$new" "$tree"
}

# rules puts the Bazel modules together that MODULE.bazel and its dependencies name. Bazel finds each by an override, so
# it asks no registry.
rules() {
	local go gazelle features=$dir/rules/bazel_features
	go=$(pinned rules_go) gazelle=$(pinned gazelle)
	say "rules_go $go and gazelle $gazelle from the Go module proxy"
	rm -rf "$dir/rules"
	mkdir -p "$dir/rules"
	local v2
	(cd "$dir" && GOWORK=off quietly download go mod download "github.com/bazelbuild/rules_go@v$go" "github.com/bazelbuild/bazel-gazelle@v$gazelle")
	# The archive of a Go module leaves nested modules out and file modes, too. Gazelle's v2 goes back to where its go.work
	# wants it, and scripts become executable again.
	v2=$(sed -n 's/.*bazel-gazelle\/v2 \(v[^ ]*\).*/\1/p' "$proxy/github.com/bazelbuild/bazel-gazelle/@v/v$gazelle.mod")
	(cd "$dir" && GOWORK=off quietly download go mod download "github.com/bazel-contrib/bazel-gazelle/v2@$v2")
	cp -r "$modules/github.com/bazelbuild/rules_go@v$go" "$dir/rules/rules_go"
	cp -r "$modules/github.com/bazelbuild/bazel-gazelle@v$gazelle" "$dir/rules/gazelle"
	chmod -R u+w "$dir/rules"
	cp -r "$modules/github.com/bazel-contrib/bazel-gazelle/v2@$v2" "$dir/rules/gazelle/v2"
	chmod -R u+w "$dir/rules"
	touch "$dir/rules/gazelle/v2/go.sum" # a list of gazelle's own names it
	grep -rlIZ --exclude='*.go' '^#!' "$dir/rules" | xargs -0 chmod +x

	# Debian's bazel_features is older than rules_go wants; it reads one more field, which is false before Bazel 8.
	cp -r "$tree/usr/share/bazel/tools/features" "$features"
	sed -i 's/^_rules = struct(/&\n    instrumented_files_info_has_baseline_coverage_files = False,/' "$features/features.bzl"
	grep -q baseline_coverage "$features/features.bzl" || fail "bazel_features of $tree has no struct _rules"

	cp -r "$top/tools/offline/bazel/package_metadata" "$dir/rules/"

	# In the graph of modules, and nothing of them is loaded here.
	local name
	for name in apple_support buildozer protobuf zlib; do
		mkdir -p "$dir/rules/$name"
		echo "module(name = \"$name\")" >"$dir/rules/$name/MODULE.bazel"
		touch "$dir/rules/$name/BUILD.bazel"
	done
}

# sdk makes the published archive of the Go SDK again from the installed one; its name and sum are in MODULE.bazel, so
# Bazel takes it without asking for a download. distpack is what the Go team makes it with, and gives the same bytes.
sdk() {
	local archive sum tmp root
	archive=$(go env GOVERSION).$(go env GOOS)-$(go env GOARCH).tar.gz
	sum=$(grep -A1 -F "\"$archive\"" "$top/MODULE.bazel" | sed -n 's/.*"\([0-9a-f]\{64\}\)".*/\1/p')
	[ -n "$sum" ] || fail "MODULE.bazel does not name $archive, which would be the archive of the Go that is installed"
	if ! [ -f "$dir/dist/$archive" ]; then
		root=$(go env GOROOT)
		[ -d "$root/test" ] || fail "$root is not from the official archive of Go: it has no directory test"
		say "packing $archive"
		mkdir -p "$dir/dist"
		tmp=$(mktemp -d)
		cp -a "$root" "$tmp/go"
		rm -rf "$tmp/go/pkg/distpack"
		sed -i 's/^GOTOOLCHAIN=local$/GOTOOLCHAIN=auto/' "$tmp/go/go.env" # the official images change it
		(cd "$tmp/go/src" && GOROOT=$tmp/go GOWORK=off quietly distpack "$tmp/go/bin/go" run cmd/distpack)
		mv "$tmp/go/pkg/distpack/$archive" "$dir/dist/"
		rm -rf "$tmp"
	fi
	echo "$sum  $dir/dist/$archive" | sha256sum --check --status ||
		fail "$archive has the SHA-256 $(sha256sum <"$dir/dist/$archive" | cut -d' ' -f1), and MODULE.bazel wants $sum"
}

# dependencies fills the module cache, which the repositories of Bazel take for a Go module proxy: what go.work needs, and
# what the rules need for their own tools. Copies are asked, since in a workspace the go command notes sums as it downloads.
dependencies() {
	say "Go modules"
	rm -rf "$dir/work"
	mkdir -p "$dir/work"
	(cd "$top" && cp --parents go.work go.work.sum go.mod go.sum src/*/go.mod src/*/go.sum "$dir/work/")
	(cd "$dir/work" && quietly modules go mod download)
	(cd "$dir/rules/gazelle" && quietly modules go mod download)
	(cd "$dir/rules/rules_go" && GOWORK=off quietly modules go mod download)
}

# settings writes what differs from Bazel with internet. Debian's own /etc/bazel/bazelrc overrides the other modules.
settings() {
	local name
	mkdir -p "$dir/registry"
	echo '{}' >"$dir/registry/bazel_registry.json" # an empty one: a module without an override is an error
	{
		echo "common --registry=file://$dir/registry"
		for name in apple_support bazel_features buildozer gazelle package_metadata protobuf rules_go zlib; do
			echo "common --override_module=$name=$dir/rules/$name"
		done
		echo "common --override_module=rules_shell=/usr/share/bazel/rules/shell"
		echo "common --distdir=$dir/dist"
		echo "common --repo_env=GOPROXY=file://$proxy"
		echo "common --repo_env=GOSUMDB=off" # go.sum still decides
		echo "common --repo_env=GOTOOLCHAIN=local"
		echo "build --nosandbox_debug" # Debian's setting would keep every sandbox
		echo "build --sandbox_add_mount_pair=$dir" # a sandbox has a /tmp of its own, where DIR may be
	} >"$dir/bazelrc"
}

# What was prepared is good until one of these changes.
key=$(cd "$top" && sha256sum tools/offline/bazel.sh tools/offline/bazel/*/*/*.bzl MODULE.bazel go.work go.work.sum go.mod go.sum src/*/go.mod src/*/go.sum | sha256sum)
key="$key $tree $modules $(go env GOVERSION)"
if [ "$(cat "$dir/prepared" 2>/dev/null)" != "$key" ]; then
	[ "$(id -u)" = 0 ] || fail "this must run as root, which makes the tree and mounts it"
	start=$SECONDS
	debian
	rules
	sdk
	dependencies
	settings
	echo "$key" >"$dir/prepared"
	say "prepared in $((SECONDS - start)) s"
fi

# The tree becomes the root of a mount namespace. A chroot would not do: in it the kernel gives no user namespaces, and
# Bazel would drop its sandbox, and with it the network block, without a word.
mkdir -p "$dir/out" "$tree/.old"
for path in "$top" "$dir" "$modules"; do mkdir -p "$tree$path"; done
# shellcheck disable=SC2016 # expands in the inner shell
exec unshare --mount --propagation private bash -euc '
	tree=$1 top=$2 dir=$3 modules=$4
	shift 4
	mount --bind "$tree" "$tree"
	for path in "$top" "$dir" "$modules"; do mount --bind "$path" "$tree$path"; done
	for path in dev proc sys; do mount --rbind "/$path" "$tree/$path"; done
	cd "$tree"
	pivot_root . .old
	cd "$top"
	umount -l /.old
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LC_ALL=C.UTF-8 \
		bazel --output_user_root="$dir/out" --bazelrc="$dir/bazelrc" "$@"' bazel "$tree" "$top" "$dir" "$modules" "$@"
