#!/bin/sh
# Installs quoin, quoinctl and quoinutl from a release, after checking their sums.
#
#   sh install.sh --url https://example.com/releases/0.1.0 [--version 0.1.0] [--prefix /usr/local] [--key release.pub] [--etcd-names]
#
# --url         directory that holds the files of the release, or file:///...
# --version     version in the names of the files (default: the last part of the URL, without a leading v)
# --prefix      programs go to PREFIX/bin (default: /usr/local)
# --key         public key (PEM, ECDSA) that must have signed SHA256SUMS; needs openssl
# --etcd-names  also install links called etcd, etcdctl and etcdutl
set -eu

url='' version='' prefix=/usr/local key='' names=''
fail() { echo "install.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
	case $1 in
	--url | --version | --prefix | --key)
		[ $# -ge 2 ] || fail "$1 needs a value"
		case $1 in --url) url=${2%/} ;; --version) version=$2 ;; --prefix) prefix=$2 ;; --key) key=$2 ;; esac
		shift 2
		;;
	--etcd-names) names=yes; shift ;;
	-h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;;
	*) fail "unknown argument $1; see --help" ;;
	esac
done
[ -n "$url" ] || fail "--url is needed; see --help"
if [ -z "$version" ]; then
	version=${url##*/}
	version=${version#v}
fi

case $(uname -s) in
Linux) os=linux ;;
Darwin) os=darwin ;;
*) fail "there is no release for $(uname -s) that this script can install" ;;
esac
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
aarch64 | arm64) arch=arm64 ;;
ppc64le | s390x | riscv64) arch=$(uname -m) ;;
*) fail "there is no release for $(uname -m)" ;;
esac
name=quoin-$version-$os-$arch

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fetch() {
	if command -v curl >/dev/null 2>&1; then
		curl -fsSL -o "$tmp/$1" "$url/$1"
	else
		wget -q -O "$tmp/$1" "$url/$1"
	fi || fail "$url/$1 can not be fetched"
}
sum() {
	if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d' ' -f1
}

fetch SHA256SUMS
if [ -n "$key" ]; then
	fetch SHA256SUMS.sig
	openssl base64 -d -A -in "$tmp/SHA256SUMS.sig" -out "$tmp/signature" </dev/null
	openssl dgst -sha256 -verify "$key" -signature "$tmp/signature" "$tmp/SHA256SUMS" >/dev/null ||
		fail "SHA256SUMS is not signed by $key"
fi
fetch "$name.tar.gz"
want=$(awk -v name="$name.tar.gz" '$2 == name { print $1 }' "$tmp/SHA256SUMS")
[ -n "$want" ] || fail "SHA256SUMS does not list $name.tar.gz"
got=$(sum "$tmp/$name.tar.gz")
[ "$got" = "$want" ] || fail "$name.tar.gz has SHA-256 $got, SHA256SUMS says $want: nothing was installed"

tar -xzf "$tmp/$name.tar.gz" -C "$tmp"
mkdir -p "$prefix/bin"
for program in quoin quoinctl quoinutl; do
	# Renamed into place: a running program can not be written over.
	cp "$tmp/$name/bin/$program" "$prefix/bin/.$program.new"
	chmod 755 "$prefix/bin/.$program.new"
	mv -f "$prefix/bin/.$program.new" "$prefix/bin/$program"
done
if [ -n "$names" ]; then
	ln -sf quoin "$prefix/bin/etcd"
	ln -sf quoinctl "$prefix/bin/etcdctl"
	ln -sf quoinutl "$prefix/bin/etcdutl"
fi
echo "quoin $version is in $prefix/bin"
