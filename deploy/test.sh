#!/usr/bin/env bash
# What `npm test` runs: everything, from a clean clone, ending at the first failure. One line a phase; what a phase says
# is shown if it fails. The last lines are vitest's.
set -euo pipefail
cd "$(dirname "$0")/.."

begun=$(date +%s%N)
log=$(mktemp)
side_log=$(mktemp)
side=""
# What runs at the side ends with us.
trap 'if [ -n "$side" ]; then kill "$side" 2>/dev/null && wait "$side" || true; fi; rm -f "$log" "$side_log"' EXIT

phase() {
  local name=$1 since ms
  shift
  since=$(date +%s%N)
  if ! "$@" >"$log" 2>&1; then
    cat "$log"
    printf '✗ %s: %s\n' "$name" "$*" >&2
    exit 1
  fi
  ms=$((($(date +%s%N) - since) / 1000000))
  printf '✓ %-34s %4d.%01d s\n' "$name" $((ms / 1000)) $((ms % 1000 / 100))
}

# Runs something beside what comes next: most tests wait more than they compute.
beside() {
  "$@" >"$side_log" 2>&1 &
  side=$!
}

# Waits for it, shows what it says, and fails if it failed.
join() {
  local status=0
  wait "$side" || status=$?
  side=""
  cat "$side_log"
  if [ "$status" -ne 0 ]; then
    printf '✗ %s\n' "$1" >&2
    exit 1
  fi
}

lint() {
  phase "lint (eslint)" eslint .
  phase "dead code (knip)" knip
}

# Before npm: a compiler may be among what is missing.
phase "Debian packages" bash deploy/setup.sh
env_file=$(bash deploy/setup.sh --env)
if [ -n "$env_file" ]; then . "$env_file"; fi
phase "npm packages" node deploy/install.mjs
export PATH=$PWD/node_modules/.bin:$PATH
unset NODE_EXTRA_CA_CERTS # no network from here on, and it costs each start of Node 20 about 80 ms
phase "build" npm run build
phase "programs linked" node deploy/install.mjs --link
phase "types (tests too)" npm run typecheck
phase "format and imports (biome)" biome check .
printf '  %d s so far; unit tests beside lint, then integration beside clients\n' $((($(date +%s%N) - begun) / 1000000000))
beside lint
vitest run --project unit
join "lint"
beside vitest run --project clients
vitest run --project integration
join "clients"
