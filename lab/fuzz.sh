#!/usr/bin/env bash
# fuzz.sh [TIME]: run every fuzz target of the module for that long, one after
# the other, and add it to the ledger. A finding ends neither the others nor
# well. Making an interesting input smaller may take a second; by default it
# takes a minute, in which nothing is tried. Two workers, each within 2 GiB, are
# what a small machine can bear.
set -uo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s}
export GOMEMLIMIT=${GOMEMLIMIT:-2GiB}
failed=()
while IFS=: read -r file target; do
  package=./$(dirname "$file")
  name="${package#./} $target"
  printf '== %s\n' "$name"
  lab/ledger.sh "$name" "$time" go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 2 "$package" </dev/null || failed+=("$name")
done < <(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //' | sort)
if [ ${#failed[@]} -gt 0 ]; then
  printf 'found something, or did not build: %s\n' "${failed[@]}"
  exit 1
fi
