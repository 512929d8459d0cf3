#!/usr/bin/env bash
# ledger.sh NAME TIME COMMAND...: run a command that works for TIME (30s, 10m,
# 1h), and when it finds nothing add that to docs/ledger.md.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 time=$2
shift 2
[[ $time =~ ^([0-9]+)(s|m|h)$ ]] || { echo "time: want for example 30s, 10m or 1h, not '$time'" >&2; exit 64; }
case ${BASH_REMATCH[2]} in
s) seconds=${BASH_REMATCH[1]} ;;
m) seconds=$((BASH_REMATCH[1] * 60)) ;;
h) seconds=$((BASH_REMATCH[1] * 3600)) ;;
esac
"$@"

ledger=docs/ledger.md
new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk -F ' *[|] *' -v name="$name" -v seconds="$seconds" -v today="$(date -u +%F)" '
  function row(minutes) { printf "| %s | %.1f | %s |\n", name, minutes, today; done = 1 }
  $2 == name { row($3 + seconds / 60); next }
  { print }
  END { if (!done) row(seconds / 60) }
' "$ledger" >"$new"
cat "$new" >"$ledger"
