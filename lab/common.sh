# Shared variables and helpers of the dnstaster lab (sourced by ./lab and attacks/*).
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VAR=${DNSTASTER_LAB_VAR:-$LAB/var}            # everything generated: keys, signed zones, configs, pids, logs
PID=$VAR/pid LOG=$VAR/log CONF=$VAR/conf ZONES=$VAR/zones TLS=$VAR/tls CAP=$VAR/cap
P=dt-                   # prefix of every network namespace of the lab

# --- addresses (198.18.0.0/15 = RFC 2544 benchmark range: never routed outside)
CLIENT=10.77.0.10 ATTACKER=10.77.0.66 ROUTER=10.77.0.1
ISP=198.18.1.53
PUB1=198.18.11.1 PUB2=198.18.12.1 PUB3=198.18.13.1 PUB4=198.18.14.1
ROOTNS=198.18.50.1 TLDNS=198.18.50.2 ZONENS=198.18.50.3 CDNNS=198.18.50.4
EVIL=198.18.66.66
RESOLVERS="router=$ROUTER isp=$ISP pub1=$PUB1 pub2=$PUB2 pub3=$PUB3 pub4=$PUB4"

say()  { printf '\033[1m[lab]\033[0m %s\n' "$*" >&2; }
die()  { say "ERROR: $*"; exit 1; }
ns()   { local n=$1; shift; ip netns exec $P$n "$@"; }
now()  { date +%s%N; }
ms()   { echo $(( ($(now) - $1) / 1000000 )); }

# start NAME NETNS cmd...   run a daemon in a namespace, remember its pid (never killed by name)
start() {
  local name=$1 netns=$2; shift 2
  alive "$name" && return 0
  setsid ip netns exec $P$netns "$@" >"$LOG/$name.log" 2>&1 0<>"$VAR/stdin.fifo" &   # a stdin that never ends (bettercap quits on EOF)
  echo $! >"$PID/$name"            # `ip netns exec` execs the command, so this is the daemon's pid
}
running() { local st; read -r st 2>/dev/null </proc/$1/stat || return 1; st=${st##*) }; [ "${st%% *}" != Z ]; }   # a zombie counts as gone
alive() { [ -s "$PID/$1" ] && running "$(cat "$PID/$1")"; }
stop() { # TERM to all recorded pids, then wait up to 1 s for each, then KILL
  local name p i
  for name; do [ -s "$PID/$name" ] && { p=$(cat "$PID/$name"); kill -TERM "$p"; kill -CONT "$p"; } 2>/dev/null; done
  for name; do
    [ -s "$PID/$name" ] || continue
    p=$(cat "$PID/$name")
    for i in $(seq 20); do running $p || break; [ $i = 20 ] && { kill -KILL "$p" 2>/dev/null; say "$name: KILLed"; }; sleep 0.05; done
    rm -f "$PID/$name"
  done
}
# q RESOLVER NAME [TYPE] [dig options]: one short line from the victim
q() { local r=$1 n=$2 t=${3:-A}; shift; shift; [ $# -gt 0 ] && shift
  ns client dig @"$r" "$n" "$t" +tries=1 +time=3 "$@"; }
# brief RESOLVER NAME [TYPE]: STATUS [AD] TTL:answers on one line
brief() {
  q "$1" "$2" "${3:-A}" +noall +comments +answer ${BOPTS:-+dnssec} "${@:4}" 2>&1 | awk '
   /status:/ {s=$6; sub(",","",s)} /flags:.*QUERY/ {if ($0 ~ / ad[ ;]/) ad=" AD"}
   /^;;.*timed out|no servers/ {s="TIMEOUT"} /communications error/ {s="COMMERR"}
   !/^;/ && NF>=5 && $4!="RRSIG" {a=a" "$4":"$5"("$2"s)"} END{print s ad a}'
}
# capture NAME NETNS IFACE FILTER: start tcpdump, ready when it says so; stop with `stop cap-NAME`
capture() {
  local name=$1 netns=$2 ifc=$3; shift 3
  stop cap-$name; rm -f $CAP/$name.pcap $LOG/cap-$name.log
  start cap-$name $netns tcpdump -Z root --immediate-mode -U -n -i $ifc -w $CAP/$name.pcap "$*"
  for i in $(seq 40); do grep -q 'listening on' $LOG/cap-$name.log 2>/dev/null && return; sleep 0.05; done
}
showcap() { sleep 0.3; stop cap-$1; tcpdump -n -tttt -r $CAP/$1.pcap 2>/dev/null | cut -c12-190 | sed 's/^/    /' | head -${2:-20}; }
