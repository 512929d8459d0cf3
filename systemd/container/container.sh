#!/bin/bash
# Real systemd as PID 1 in a container, on a machine that is run by something
# else. Nothing is downloaded: the root is a writable overlay over the machine's
# own, which keeps nothing of it. There is a network of its own, with lo alone.
#   container.sh install       the packages it takes (once)
#   container.sh up DIR        boot; DIR keeps what belongs to it
#   container.sh exec DIR CMD  run something inside
#   container.sh leader DIR    the process id of its PID 1
#   container.sh down DIR      power off, and remove what up made
# systemd-nspawn --boot does it, in a mount namespace in which /sys/fs/cgroup is
# a pure cgroup2: machines with cgroup1 beside it cannot boot a systemd there.
# Without its controllers MemoryMax= and TasksMax= are accepted, but not enforced.
set -u
name=dnstaster-$(basename "${2:-none}")
nspawn() { # the process of systemd-nspawn, if it runs
  local n
  n=$(cat "$dir/nspawn.pid" 2>/dev/null) && [ "$(cat "/proc/$n/comm" 2>/dev/null)" = systemd-nspawn ] && echo "$n"
}
leader() {
  local n
  n=$(nspawn) && tr ' ' '\n' <"/proc/$n/task/$n/children" | head -n 1 | grep .
}
enter() {
  local l
  l=$(leader) || { echo "$dir: no container runs" >&2; return 69; }
  nsenter -t "$l" -m -u -i -n -p -C -- "$@"
}
case ${1:-} in
install)
  # Never systemd-resolved: on a machine without systemd it ends name resolution.
  # One by one: command -v is content with any one of several.
  command -v systemd-nspawn >/dev/null && command -v dbus-daemon >/dev/null && command -v setpriv >/dev/null && exit
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends systemd systemd-container dbus util-linux procps
  ;;
up)
  dir=$2
  mkdir -p "$dir"
  # Nothing of the machine's own services starts: only what basic.target takes.
  cat >"$dir/boot.sh" <<X
set -e
mount --make-rprivate /
umount -l -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/$name
echo \$\$ >/sys/fs/cgroup/$name/cgroup.procs
mkdir -p $dir/overlay
mount -t tmpfs -o size=1g tmpfs $dir/overlay
mkdir $dir/overlay/{up,work,root}
mount -t overlay overlay -o lowerdir=/,upperdir=$dir/overlay/up,workdir=$dir/overlay/work $dir/overlay/root
root=$dir/overlay/root
rm -f \$root/etc/machine-id
: >\$root/etc/machine-id
rm -rf \$root/var/log/journal \$root/usr/sbin/policy-rc.d # which keeps packages from starting services
mkdir -p \$root/run \$root/etc/systemd/system
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' >\$root/etc/systemd/system/test.target
exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -b -D \$root --register=no --keep-unit --private-network \
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe -M $name -- --unit=test.target systemd.show_status=no
X
  setsid unshare -m bash "$dir/boot.sh" >"$dir/console.log" 2>&1 </dev/null &
  echo $! >"$dir/nspawn.pid"
  for _ in $(seq 600); do
    state=$(enter systemctl is-system-running 2>/dev/null)
    case $state in running | degraded) exit ;; esac
    sleep 0.05
  done
  echo "no systemd came up ($state):" >&2
  cat "$dir/console.log" >&2
  exit 1
  ;;
exec)
  dir=$2
  shift 2
  enter "$@"
  ;;
leader) dir=$2 && leader ;;
down)
  dir=$2
  if n=$(nspawn); then
    l=$(leader) && kill -s RTMIN+4 "$l"
    for _ in $(seq 100); do nspawn >/dev/null || break; sleep 0.05; done
    nspawn >/dev/null && kill -KILL "$n" && sleep 0.2
  fi
  find /sys/fs/cgroup/unified/"$name" /sys/fs/cgroup/"$name" -depth -type d -exec rmdir {} \; 2>/dev/null
  rm -rf "$dir"
  ;;
*) sed -n '2,14p' "$0"; exit 64 ;;
esac
