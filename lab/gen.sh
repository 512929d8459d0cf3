# gen: CA + certificates, DNSSEC keys and signed zones, daemon configs. Cached in var/ (delete var/ to redo).
gen_tls() {
  [ -e $TLS/.done ] && return
  mkdir -p $TLS; cd $TLS
  local ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256"
  for ca in lab-ca evil-ca; do
    openssl req -x509 $ec -days 3650 -subj "/CN=dnstaster $ca" -keyout $ca.key -out $ca.pem \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  done
  mk() { # NAME CA SAN
    openssl req $ec -subj "/CN=$1" -keyout $1.key -out $1.csr 2>/dev/null
    openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -days 825 -set_serial 0x$(openssl rand -hex 8) \
      -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth' "$3") -out $1.crt 2>/dev/null
    cat $1.crt $1.key > $1.pem
  }
  mk bank  lab-ca  DNS:bank.lab,DNS:*.bank.lab
  mk shop  lab-ca  DNS:shop.lab,DNS:*.shop.lab,DNS:*.cdn.lab
  mk evil  evil-ca DNS:bank.lab,DNS:*.bank.lab,DNS:shop.lab,DNS:*.shop.lab   # right names, wrong CA
  for i in 1 2 3 4; do mk dns-pub$i lab-ca DNS:dns.pub$i.lab,IP:198.18.1$i.1; done
  chmod 644 *.key *.pem; touch .done
}
gen_zones() {
  [ -s $ZONES/anchor.ds ] && return
  mkdir -p $ZONES/keys; cd $ZONES
  local alg="-a ECDSAP256SHA256 -n ZONE -q"
  sign() { # ZONE FILE [extra file with child DS records]
    local z=$1 f=$2 k1 k2 nsec; shift 2
    k1=$(dnssec-keygen $alg -K keys -f KSK $z); k2=$(dnssec-keygen $alg -K keys $z)
    cat $LAB/zones/$f "$@" keys/$k1.key keys/$k2.key > $f
    nsec="-3 -"; [ $z = . ] && nsec=""
    dnssec-signzone -K keys -o $z -e +315360000 -s -86400 $nsec -H 0 -f $f.signed $f >/dev/null 2>sign.err || { cat sign.err >&2; return 1; }
    dnssec-dsfromkey -2 keys/$k1.key > ds-$f
  }
  sign bank.lab bank.lab.zone; sign bogus.lab bogus.lab.zone     # the DS of bogus.lab in lab. is wrong on purpose
  sign lab lab.zone ds-bank.lab.zone
  sign . root.zone ds-lab.zone
  cp $LAB/zones/shop.lab.zone .
  # GeoDNS: one zone file per bind view
  local v
  for v in isp:31 pub1:32 pub2:33 any:34; do
    cat > cdn-${v%:*}.zone <<X
\$ORIGIN cdn.lab.
\$TTL 20
@    SOA ns1 hostmaster 1 1800 900 604800 300
@    NS  ns1
ns1  A   198.18.50.4
edge A   198.18.60.${v#*:}
$(for i in 1 2 3 4 5 6 7 8; do echo "rr A 198.18.60.4$i"; done)
X
  done
  mv ds-root.zone anchor.ds
}
gen_conf() {
  mkdir -p $CONF; cd $CONF
  local a tag alg dt hex; read -r _ _ _ tag alg dt hex < $ZONES/anchor.ds; hex=${hex// /}
  printf '. 3600000 NS ns.root.\nns.root. 3600000 A %s\n' $ROOTNS > root.hints
  echo ". IN DS $tag $alg $dt $hex" > root.ds
  # ---- authoritative servers (netns auth): nsd = root + TLD, knotd = zones, named = GeoDNS views
  for a in root:$ROOTNS:. tld:$TLDNS:lab; do IFS=: read -r n ip z <<<"$a"
  cat > nsd-$n.conf <<X
server:
  ip-address: $ip
  server-count: 1
  username: ""
  zonesdir: "$ZONES"
  pidfile: ""
  database: ""
  zonelistfile: "$VAR/nsd-$n.list"
  xfrdfile: "$VAR/nsd-$n.xfrd"
  xfrdir: "$VAR"
  hide-version: no
  identity: "lab-$n"
  nsid: "ascii_lab-$n"
remote-control:
  control-enable: no
zone:
  name: "$z"
  zonefile: "$([ $n = root ] && echo root.zone.signed || echo lab.zone.signed)"
X
  done
  cat > knotd.conf <<X
server:
  listen: $ZONENS@53
  rundir: $VAR/knot
  nsid: lab-zones
  version: ""
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
  udp-max-payload: 4096
control:
  listen: $VAR/knot/knot.sock
database:
  storage: $VAR/knot
  journal-db-max-size: 32M
  kasp-db-max-size: 32M
  timer-db-max-size: 8M
log:
  - target: stderr
    any: info
template:
  - id: default
    storage: $ZONES
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
zone:
  - domain: bank.lab
    file: bank.lab.zone.signed
  - domain: bogus.lab
    file: bogus.lab.zone.signed
  - domain: shop.lab
    file: shop.lab.zone
X
  { cat <<X
options { directory "$VAR/named-cdn"; listen-on { $CDNNS; }; listen-on-v6 { none; }; recursion no; pid-file none;
  session-keyfile none; rrset-order { order random; }; minimal-responses yes; notify no; dnssec-validation no; empty-zones-enable no; };
controls { };
X
  for a in isp:$ISP pub1:$PUB1 pub2:$PUB2 any:any; do
    echo "view ${a%:*} { match-clients { ${a#*:}; }; zone \".\" { type hint; file \"$CONF/root.hints\"; }; zone cdn.lab { type primary; file \"$ZONES/cdn-${a%:*}.zone\"; }; };"; done
  } > named-cdn.conf
  # ---- isp: unbound
  cat > unbound-common.conf <<X
  do-daemonize: no
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-ip6: no
  num-threads: 1
  root-hints: "$CONF/root.hints"
  access-control: 0.0.0.0/0 allow
  ede: yes
  val-log-level: 2
  extended-statistics: yes
X
  cat > isp.conf <<X
server:
  interface: $ISP
  outgoing-interface: $ISP
  trust-anchor-file: "$CONF/root.ds"
  include: "$CONF/unbound-common.conf"
  include: "$CONF/isp-extra.conf"
remote-control:
  control-enable: yes
  control-interface: $VAR/isp.sock
X
  : > isp-extra.conf             # attacks / benign scenarios put options here and restart isp
  # ---- public1: unbound with DoT + DoH
  cat > pub1.conf <<X
server:
  interface: $PUB1@53
  interface: $PUB1@853
  interface: $PUB1@443
  outgoing-interface: $PUB1
  tls-service-pem: "$TLS/dns-pub1.crt"
  tls-service-key: "$TLS/dns-pub1.key"
  trust-anchor-file: "$CONF/root.ds"
  include: "$CONF/unbound-common.conf"
remote-control:
  control-enable: yes
  control-interface: $VAR/pub1.sock
X
  # ---- public2: bind with DoT + DoH
  cat > pub2.conf <<X
tls lab { cert-file "$TLS/dns-pub2.crt"; key-file "$TLS/dns-pub2.key"; };
http lab { endpoints { "/dns-query"; }; };
key rndc { algorithm hmac-sha256; secret "bGFiLWxhYi1sYWItbGFiLWxhYi1sYWItbGFiLWxhYg=="; };
controls { inet 127.0.0.1 port 953 allow { 127.0.0.1; } keys { rndc; }; };
trust-anchors { . static-ds $tag $alg $dt "$hex"; };
options { directory "$VAR/named-pub2"; pid-file none; session-keyfile none; listen-on-v6 { none; };
  listen-on { $PUB2; }; listen-on port 853 tls lab { $PUB2; }; listen-on port 443 tls lab http lab { $PUB2; };
  query-source address $PUB2; recursion yes; allow-recursion { any; }; allow-query-cache { any; };
  dnssec-validation yes; server-id "pub2"; };
zone "." { type hint; file "$CONF/root.hints"; };
X
  printf 'key rndc { algorithm hmac-sha256; secret "bGFiLWxhYi1sYWItbGFiLWxhYi1sYWItbGFiLWxhYg=="; };\noptions { default-key rndc; default-server 127.0.0.1; };\n' > rndc.conf
  # ---- public3: knot-resolver with DoT + DoH
  cat > kresd.conf <<X
net.ipv6 = false
net.outgoing_v4('$PUB3')
net.listen('$PUB3', 53, { kind = 'dns' })
net.listen('$PUB3', 853, { kind = 'tls' })
net.listen('$PUB3', 443, { kind = 'doh2' })
net.tls('$TLS/dns-pub3.crt', '$TLS/dns-pub3.key')
modules = { 'hints > iterate', 'nsid', 'predict' }
nsid.name('pub3')
hints.root({ ['ns.root.'] = '$ROOTNS' })
trust_anchors.remove('.')
trust_anchors.add('$(cat root.ds)')
cache.size = 8 * MB
net.listen('$VAR/pub3.sock', nil, { kind = 'control' })
X
  # ---- public4: pdns-recursor on loopback behind dnsdist (Do53 + DoT + DoH)
  mkdir -p pdns-rec
  cat > pdns-rec/recursor.conf <<X
daemon=no
local-address=127.0.0.1
local-port=5300
query-local-address=$PUB4
hint-file=$CONF/root.hints
lua-config-file=$CONF/pdns-rec/rec.lua
dnssec=validate
socket-dir=$VAR/pdns-rec
setuid=
setgid=
threads=1
server-id=pub4
disable-packetcache=yes
extended-resolution-errors=yes
security-poll-suffix=
X
  printf "clearTA('.')\naddTA('.', \"%s\")\n" "$tag $alg $dt $hex" > pdns-rec/rec.lua
  cat > dnsdist.conf <<X
setLocal('$PUB4:53')
addTLSLocal('$PUB4:853', '$TLS/dns-pub4.crt', '$TLS/dns-pub4.key')
addDOHLocal('$PUB4:443', '$TLS/dns-pub4.crt', '$TLS/dns-pub4.key', '/dns-query')
setACL('0.0.0.0/0')
newServer({address='127.0.0.1:5300', healthCheckMode='up'})
controlSocket('127.0.0.1:5199')
setKey('MXNeLFWHUe4363BBKrY06cAsH8NWNb+Se2eXU5+Bb74=')
dofile('$CONF/dnsdist-extra.lua')
X
  : > dnsdist-extra.lua
  # ---- web: nginx, genuine certificates on 198.18.60.x, the attacker's on 198.18.66.66
  for a in web:198.18.60 evil:198.18.66; do
  cat > nginx-${a%:*}.conf <<X
worker_processes 1; daemon off; pid $VAR/nginx-${a%:*}.pid; error_log stderr warn;
events { worker_connections 256; }
http { access_log off; client_body_temp_path $VAR/ngx; proxy_temp_path $VAR/ngx; fastcgi_temp_path $VAR/ngx; uwsgi_temp_path $VAR/ngx; scgi_temp_path $VAR/ngx;
$( if [ ${a%:*} = web ]; then for s in bank shop; do
 echo "server { listen 80; listen 443 ssl; server_name $s.lab *.$s.lab; ssl_certificate $TLS/$s.crt; ssl_certificate_key $TLS/$s.key; return 200 \"genuine $s \$server_addr\\n\"; }"; done
 echo "server { listen 80; listen 443 ssl; server_name *.cdn.lab; ssl_certificate $TLS/shop.crt; ssl_certificate_key $TLS/shop.key; return 200 \"genuine cdn \$server_addr\\n\"; }"
 else echo "server { listen 80 default_server; listen 443 ssl default_server; ssl_certificate $TLS/evil.crt; ssl_certificate_key $TLS/evil.key; return 200 \"PHISH \$host \$server_addr\\n\"; }"; fi )
}
X
  done
}
gen() { mkdir -p $VAR $PID $LOG $CAP $VAR/{knot,named-cdn,named-pub2,pdns-rec,kresd,ngx}; [ -p $VAR/stdin.fifo ] || mkfifo $VAR/stdin.fifo; gen_tls; gen_zones; gen_conf; cd $LAB; }
