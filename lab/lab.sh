#!/bin/bash
# dnstaster lab: real resolvers, real authoritative servers, real attack tools, in network namespaces.
#   lab.sh install            apt packages (once)
#   lab.sh up | down | status | gen
#   lab.sh probe [NAME [TYPE]]   what every resolver answers to the victim (Do53; add DOT=1 / DOH=1)
#   lab.sh exec NETNS CMD...     run something in a namespace   (client, attacker, router, isp, ...)
#   lab.sh attack NAME | attack list      lab.sh benign NAME | benign list     lab.sh calm (undo every attack/benign)
# Idempotent: `up` twice is a no-op, `down` kills only pids that the lab recorded and removes only dt-* namespaces.
. "$(dirname "$(readlink -f "$0")")/common.sh"; . $LAB/gen.sh; . $LAB/topo.sh
. $LAB/scenarios.sh

svc_up() { # NAME: start one daemon
  case $1 in
    nsd-root) start nsd-root auth nsd -d -c $CONF/nsd-root.conf;;
    nsd-tld)  start nsd-tld  auth nsd -d -c $CONF/nsd-tld.conf;;
    knotd)    start knotd    auth knotd -c $CONF/knotd.conf;;
    named-cdn) start named-cdn auth named -g -n 1 -c $CONF/named-cdn.conf;;
    isp)      start isp  isp  unbound -d -c $CONF/isp.conf;;
    pub1)     start pub1 pub1 unbound -d -c $CONF/pub1.conf;;
    pub2)     start pub2 pub2 named -g -n 1 -c $CONF/pub2.conf;;
    pub3)     rm -f $VAR/pub3.sock; start pub3 pub3 kresd -n -c $CONF/kresd.conf $VAR/kresd;;
    pub4-rec) start pub4-rec pub4 pdns_recursor --config-dir=$CONF/pdns-rec;;
    pub4)     start pub4 pub4 dnsdist --supervised -C $CONF/dnsdist.conf;;
    router)   start router router dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- \
                --pid-file= --interface=lan0 --bind-interfaces --server=$ISP --cache-size=1000 $(cat $VAR/router.args 2>/dev/null);;
    web)      start web web nginx -c $CONF/nginx-web.conf;;
    evil)     start evil evil nginx -c $CONF/nginx-evil.conf;;
    attweb)   ns attacker true; start attweb attacker nginx -c $CONF/nginx-evil.conf -g "pid $VAR/nginx-att.pid;";;
  esac
}
SVCS="nsd-root nsd-tld knotd named-cdn isp pub1 pub2 pub3 pub4-rec pub4 router web evil"
ready() { # NETNS SERVER NAME: wait until an answer comes
  local i; for i in $(seq 100); do ns $1 dig @$2 $3 +tries=1 +time=1 +short >/dev/null 2>&1 && return; sleep 0.05; done; die "$2 not ready"; }
up() {
  local t=$(now) s
  [ -e /run/netns/${P}client ] || { gen; say "generated (cached) $(ms $t) ms"; topo_up || die topology; say "topology $(ms $t) ms"; }
  for s in $SVCS; do svc_up $s; done
  say "daemons started $(ms $t) ms"
  for s in $RESOLVERS; do ready client ${s#*=} www.bank.lab & done; wait $(jobs -p | tail -n 6) 2>/dev/null
  say "up and answering in $(ms $t) ms"
}
down() { [ -d $PID ] && stop $(ls $PID)
  topo_down; rm -f $VAR/router.args $VAR/*.sock $VAR/kresd/*.mdb $VAR/named-pub2/*.nz*; : >$CONF/isp-extra.conf; : >$CONF/dnsdist-extra.lua; say down; }
status() { local f n p rss=0 r; for f in $PID/*; do [ -e "$f" ] || continue; n=$(basename $f); p=$(cat $f)
    r=$(awk '/^Pss:/{s+=$2} END{print int(s/1024)}' /proc/$p/smaps_rollup 2>/dev/null)
    printf '%-12s pid %-7s %s %s MiB\n' $n $p "$(kill -0 $p 2>/dev/null && echo up || echo DEAD)" "$r"; done; }
probe() { local n=${1:-www.bank.lab} t=${2:-A} r; for r in $RESOLVERS; do printf '%-7s %s\n' ${r%=*} "$(brief ${r#*=} $n $t)"; done; }
case ${1:-} in
  install) apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends unbound bind9 bind9-utils bind9-dnsutils knot-resolver knot-resolver-module-http \
     pdns-recursor dnsmasq-base nsd knot knot-dnsutils dnsdist tcpdump tshark nftables iproute2 bettercap dsniff ettercap-text-only \
     python3-scapy ethtool iputils-ping procps curl openssl socat nginx-light conntrack prometheus prometheus-alertmanager;;
  gen) gen;; up) up;; down) down;; status) status;;
  probe) shift; probe "$@";;
  exec) shift; ns "$@";;
  attack|benign) k=$1; n=${2:-list}; shift 2; if [ "$n" = list ]; then declare -F | sed -n "s/declare -f ${k}_//p" | tr _ -; else
      fn=${k}_${n//-/_}; declare -F $fn >/dev/null || die "no $k $n"; $fn "$@"; fi;;
  calm) calm;;
  *) sed -n '2,9p' "$0"; exit 2;;
esac
