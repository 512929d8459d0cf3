#!/bin/sh
# install.sh: the Debian packages that the lab takes, once. As root.
# Programs whose package would change this machine are only fetched, and unpacked
# in /var/cache/dnstaster-lab: installing systemd-resolved replaces
# /etc/resolv.conf, and ends name resolution where systemd is not PID 1.
set -eu
fetched=/var/cache/dnstaster-lab
installed='unbound bind9 bind9-utils bind9-dnsutils knot-resolver knot-resolver-module-http pdns-recursor dnsmasq-base nsd knot
 knot-dnsutils dnsdist tcpdump nftables iproute2 bettercap dsniff ettercap-text-only ethtool iputils-ping procps curl openssl
 socat nginx-light conntrack prometheus prometheus-alertmanager tshark dnstop dnscap'
unpacked='busybox rdnssd systemd-resolved libsystemd-shared'

missing=
for p in $installed; do
  dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
wanting=
for p in $unpacked; do
  [ -e "$fetched/$p.done" ] || wanting="$wanting $p"
done
[ -n "$missing$wanting" ] || exit 0

apt-get update -q
if [ -n "$missing" ]; then
  # Nothing of it is to run by itself.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  # shellcheck disable=SC2086 # a list
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi
mkdir -p "$fetched/deb"
for p in $wanting; do
  (cd "$fetched/deb" && apt-get download -q "$p" && dpkg-deb -x "$p"_*.deb "$fetched" && rm -f "$p"_*.deb)
  : >"$fetched/$p.done"
done
