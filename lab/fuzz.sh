#!/bin/sh
# fuzz.sh [TIME] [REGEXP]: run the fuzz targets that match, or all, for TIME each,
# those with the fewest minutes first, and add that to docs/ledger.md. FUZZ_FOR=8h
# goes round until then; FUZZ_PARALLEL inputs are tried at the same time. A worker
# keeps within 2 GiB, which a small machine can bear.
set -eu
cd "$(dirname "$0")/.."
export GOMEMLIMIT="${GOMEMLIMIT:-2GiB}"
exec go run ./lab/ledger fuzz -time "${1:-60s}" -for "${FUZZ_FOR:-0}" -parallel "${FUZZ_PARALLEL:-1}" "${2:-}"
