#!/usr/bin/env bash
# The nix command for the flake of this repository, on a Debian machine that has no nix and reaches neither GitHub nor
# cache.nixos.org: Debian's nix in a directory of its own, and a small stand-in for nixpkgs.
#
#   tools/offline/nix.sh DIR ARGS...       as nix ARGS..., at the top of this repository
#   tools/offline/nix.sh --hashes DIR      print what release/nix/hashes.json has to say
#
#   tools/offline/nix.sh /var/tmp/nix flake check
#   tools/offline/nix.sh /var/tmp/nix build --no-link --print-out-paths .#binaries-linux-amd64
#   tools/offline/nix.sh /var/tmp/nix develop --command go version
#
# Needs root, apt-get, and the go command with its module proxy or a filled module cache. Everything is kept in DIR, for
# the next run: DIR/root is nix, DIR/store the store. A path that nix prints as /nix/store/x is DIR/store/nix/store/x, and
# a link called result would lead nowhere: use --no-link. The exit code is that of nix.
#
# DEBIAN_MIRROR, DEBIAN_SUITE: where nix comes from (default: this machine's mirror, forky)
set -euo pipefail

fail() { echo "nix.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; }

case ${1-} in
-h | --help) usage; exit 0 ;;
--hashes) print_hashes=yes; shift ;;
*) print_hashes='' ;;
esac
[ $# -ge 1 ] || { usage >&2; exit 2; }
case $1 in -*) fail "$1 is not a directory; see --help" ;; esac
[ -n "$print_hashes" ] || [ $# -ge 2 ] || fail "what shall nix do? See --help"
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
dir=$(realpath -m "$1")
shift
system=$(uname -m)-linux

# install_nix unpacks nix with the libraries that it loads into DIR/root. Nothing of this machine's apt is touched.
install_nix() {
	local tmp=$dir/tmp tool suite=${DEBIAN_SUITE:-forky} mirror=${DEBIAN_MIRROR:-}
	for tool in apt-get dpkg-deb awk; do
		command -v "$tool" >/dev/null || fail "$tool is needed to install nix: run this on Debian"
	done
	# shellcheck disable=SC2016 # apt-get expands it
	[ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		awk '!/security/ && !found { print; found = 1 }')
	[ -n "$mirror" ] || fail "apt knows no mirror of Debian: set DEBIAN_MIRROR"
	rm -rf "$tmp"
	mkdir -p "$tmp"/{lists/partial,cache/archives/partial,unpacked,root/lib,root/host}
	: >"$tmp/status"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$tmp/sources.list"
	local apt=(apt-get -qq -y -o "Dir::State::status=$tmp/status" -o "Dir::State::lists=$tmp/lists" -o "Dir::Cache=$tmp/cache"
		-o "Dir::Etc::sourcelist=$tmp/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
		-o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none)
	"${apt[@]}" update >&2 || fail "$mirror does not give the lists of Debian $suite: set DEBIAN_MIRROR"
	"${apt[@]}" --download-only install nix-bin bash-static busybox-static patchelf >&2 ||
		fail "$mirror does not give nix: set DEBIAN_MIRROR"
	local deb
	for deb in "$tmp"/cache/archives/*.deb; do dpkg-deb -x "$deb" "$tmp/unpacked"; done
	local lib ld
	lib=$tmp/unpacked/usr/lib/$(uname -m)-linux-gnu
	ld=$(echo "$lib"/ld-linux-*.so.*)
	"$ld" --library-path "$lib" --list "$tmp/unpacked/usr/bin/nix" | awk '$2 == "=>" { print $3 }' |
		xargs -I{} cp -L {} "$tmp/root/lib/"
	cp -L "$ld" "$tmp/root/lib/"
	cp "$tmp/unpacked/usr/bin/nix" "$tmp/root/nix"
	# A loader of its own: nix starts itself again by its name, which must not be that of the loader.
	"$ld" --library-path "$lib" "$tmp/unpacked/usr/bin/patchelf" --set-interpreter "$dir/root/lib/${ld##*/}" \
		--force-rpath --set-rpath "$dir/root/lib" "$tmp/root/nix"
	cp "$tmp/unpacked/usr/bin/busybox" "$tmp/root/host/busybox"
	cp "$tmp/unpacked/usr/bin/bash-static" "$tmp/root/host/bash"
	cp -L /etc/ssl/certs/ca-certificates.crt "$tmp/root/host/ca-bundle.crt" 2>/dev/null ||
		fail "/etc/ssl/certs/ca-certificates.crt is missing: install ca-certificates"
	mv "$tmp/root" "$dir/root"
	rm -rf "$tmp"
}

[ "$(id -u)" = 0 ] || fail "only root can make nix's sandbox here"
command -v go >/dev/null || fail "the go command is needed: see CONTRIBUTING.md"
mkdir -p "$dir" "$dir/conf"
exec 9>"$dir/lock" # one at a time changes DIR; released before nix is started
flock 9
[ -x "$dir/root/nix" ] || install_nix
# sandbox-fallback would hide a sandbox that does not work.
cat >"$dir/conf/nix.conf" <<CONF
store = $dir/store
experimental-features = nix-command flakes
build-users-group =
sandbox = true
sandbox-fallback = false
sandbox-paths = /bin/sh=$dir/root/host/busybox
substituters =
flake-registry =
warn-dirty = false
CONF
if ! diff -rq --exclude=bin "$here/nixpkgs" "$dir/nixpkgs" >/dev/null 2>&1; then
	rm -rf "$dir/nixpkgs"
	cp -r "$here/nixpkgs" "$dir/nixpkgs"
	cp -r "$dir/root/host" "$dir/nixpkgs/bin"
fi
export NIX_CONF_DIR=$dir/conf NIX_CACHE_HOME=$dir/home/cache NIX_CONFIG_HOME=$dir/home/config \
	NIX_DATA_HOME=$dir/home/data NIX_STATE_HOME=$dir/home/state
nix=$dir/root/nix
cd "$repo"
# A lock file of its own points at the stand-in. With --override-input nix would take the tree for changed and forget its
# commit.
"$nix" flake lock --offline --override-input nixpkgs "path:$dir/nixpkgs" --output-lock-file "$dir/flake.lock.new" \
	2>"$dir/errors" || { cat "$dir/errors" >&2; exit 1; }
mv "$dir/flake.lock.new" "$dir/flake.lock" # in one step: another run may be reading it
on=(--offline --no-write-lock-file --reference-lock-file "$dir/flake.lock")

# proxied runs the go command, or a script that does, with this machine's module cache in front of its proxy.
proxied() {
	local cache proxy
	cache=$(cd / && go env GOMODCACHE) proxy=$(cd / && go env GOPROXY)
	GOFLAGS='' GOPROXY="file://$cache/cache/download,$proxy" "$@"
}
# toolchain_zip prints the file of a Go toolchain: version, platform.
toolchain_zip() {
	local module=golang.org/toolchain@v0.0.1-go$1.${2/\//-} json
	json=$(cd / && proxied go mod download -json "$module" 2>&1) ||
		fail "$module: $(sed -n 's/^[[:space:]]*"Error": "\(.*\)".*/\1/p' <<<"$json")"
	sed -n 's/^[[:space:]]*"Zip": "\(.*\)",/\1/p' <<<"$json"
}
# go_modules makes the directory of modules.
go_modules() {
	rm -rf "$dir/modules"
	proxied bash release/nix/go-modules.sh "$dir/modules" "${platforms[@]}" >&2 ||
		fail "the modules of go.work can not be had: see above"
}
seeds=$("$nix" eval "${on[@]}" --raw ".#legacyPackages.$system.seeds" 2>"$dir/errors") || { cat "$dir/errors" >&2; exit 1; }
{
	read -r version
	read -r platform
	read -r zip
	read -r zip_hash
	read -r modules
	read -r modules_hash
	read -ra platforms
	read -ra toolchains
} <<<"$seeds"

if [ -n "$print_hashes" ]; then
	echo '{'
	echo '  "toolchain": {'
	sep=''
	for p in "${toolchains[@]}"; do
		file=$(toolchain_zip "$version" "$p")
		printf '%s    "%s": "%s"' "$sep" "$p" "$("$nix" hash file "$file")"
		sep=$',\n'
	done
	printf '\n  },\n'
	go_modules
	printf '  "modules": "%s"\n}\n' "$("$nix" hash path "$dir/modules")"
	rm -rf "$dir/modules"
	exit
fi

# What a machine with a network would fetch is put into the store, from the module cache and proxy of this one. Its path
# follows from name and hash alone, so it is found there only if the hash of the flake is right.
seed() { # attribute, hash in the flake, path, how, file or directory
	local got hash
	if [ "$4" = flat ]; then hash=$("$nix" hash file "$5"); else hash=$("$nix" hash path "$5"); fi
	[ "$hash" = "$2" ] ||
		fail "release/nix/hashes.json: $1 is $2 and must be $hash; tools/offline/nix.sh --hashes DIR prints the whole file"
	got=$("$nix" store add --mode "$4" --hash-algo sha256 --name "${3#/nix/store/*-}" "$5")
	[ "$got" = "$3" ] || fail "$5 became $got in the store, and the flake looks for $3"
}
if [ ! -e "$dir/store$zip" ]; then
	file=$(toolchain_zip "$version" "$platform")
	seed "toolchain.\"$platform\"" "$zip_hash" "$zip" flat "$file"
fi
if [ ! -e "$dir/store$modules" ]; then
	go_modules
	seed modules "$modules_hash" "$modules" nar "$dir/modules"
	rm -rf "$dir/modules"
fi

exec 9>&-
command=("$1")
shift
case ${command[0]} in
flake)
	[ $# -ge 1 ] || fail "nix flake: which command of it?"
	command+=("$1" "${on[@]}")
	shift
	;;
build | bundle | develop | eval | fmt | log | path-info | print-dev-env | repl | run | search | shell) command+=("${on[@]}") ;;
esac
exec "$nix" "${command[@]}" "$@"
