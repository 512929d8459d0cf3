#!/bin/sh
# build.sh OUT.deb: the Debian package, by dpkg-deb alone. GOARCH chooses what it
# is for, VERSION what it is; the same source gives the same package.
set -eu
mkdir -p "$(dirname "$1")"
out=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/../.."
umask 022

version=${VERSION:-$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./g')}
: "${version:=0.0.0+git.$(git log -1 --format=%cd.%h --date=format:%Y%m%d%H%M%S)}"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
arch=$(go env GOARCH)
case $arch in
arm) arch=armhf ;;
386) arch=i386 ;;
ppc64le) arch=ppc64el ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
build() { CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=$version" -o "$1" ./cmd/dnstaster; }
build "$tmp/dnstaster"
GOARCH=$(go env GOHOSTARCH) build "$tmp/tool"

root=$tmp/root
mkdir "$root"
systemd/install.sh "$root" /usr "$tmp/dnstaster" "$tmp/tool"
doc=$root/usr/share/doc/dnstaster
install -m 0644 LICENSE "$doc/copyright"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"

mkdir "$root/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$(du -sk "$root" | cut -f 1)/" systemd/deb/control >"$root/DEBIAN/control"
echo /etc/dnstaster/dnstaster.yaml >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f | LC_ALL=C sort | xargs md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do install -m 0755 "systemd/deb/$script" "$root/DEBIAN/$script"; done
chmod -R u+rwX,go+rX,go-w "$root"
dpkg-deb --root-owner-group --build "$root" "$out"
