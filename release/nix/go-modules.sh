#!/usr/bin/env bash
# Gathers the modules that the workspace builds and tests with, as a tree for GOPROXY=file://.
#
#   release/nix/go-modules.sh OUT GOOS/GOARCH...    at the top of the repository
#
# go.nix runs it inside a derivation whose hash is fixed, tools/offline/nix.sh outside of one.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0" >&2; exit 2; }
out=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOMODCACHE=$work GOFLAGS='-mod=readonly -modcacherw' CGO_ENABLED=0

# Whatever the go command fetches to load all packages and their tests is what it needs to build them.
mapfile -t modules < <(go list -m)
for platform in "$@"; do
	GOOS=${platform%/*} GOARCH=${platform#*/} go list -deps -test "${modules[@]/%//...}" >/dev/null
done

# A list of versions or an .info (time, origin) may change with time, and a build reads neither.
cd "$work/cache/download"
mkdir -p "$out"
find . -path ./sumdb -prune -o -type f \( -name '*.mod' -o -name '*.zip' \) -print0 | xargs -0 cp --parents --target-directory="$out"
find "$out" -type f -exec chmod 644 {} +
