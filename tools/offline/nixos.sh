#!/usr/bin/env bash
# Lets systemd read the units that the NixOS tests of the flake run, on a machine that can not run the tests themselves.
#
#   tools/offline/nixos.sh DIR     DIR as for nix.sh
#
# Needs systemd-analyze. It fails when systemd has anything to say about a unit.
set -euo pipefail

fail() { echo "nixos.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; }

case ${1-} in -h | --help) usage; exit 0 ;; esac
[ $# = 1 ] || { usage >&2; exit 2; }
command -v systemd-analyze >/dev/null || fail "systemd-analyze is needed: install systemd"
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "$1")
checks=.#checks.$(uname -m)-linux
built=$("$here/nix.sh" "$dir" build --no-link --print-out-paths "$checks.nixos" "$checks.nixos-cluster")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

count=0
for test in $built; do
	for unit in "$dir/store$test"/*/*.service; do
		# Programs are looked for where the store is.
		sed "s,/nix/store/,$dir/store&,g" "$unit" >"$tmp/${unit##*/}"
		said=$(systemd-analyze verify "$tmp/${unit##*/}" 2>&1) || fail "${unit#"$dir/store"}: $said"
		[ -z "$said" ] || fail "${unit#"$dir/store"}: $said"
		count=$((count + 1))
	done
done
[ "$count" -gt 0 ] || fail "the tests have no units"
echo "systemd has nothing to say about $count units"
