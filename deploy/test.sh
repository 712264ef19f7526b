#!/usr/bin/env bash
# What `npm test` runs: everything, from a clean clone, ending at the first failure. One line a phase; what a phase says
# is shown if it fails. The last lines are vitest's.
set -euo pipefail
cd "$(dirname "$0")/.."

begun=$(date +%s%N)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

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
phase "lint (eslint)" eslint .
phase "dead code (knip)" knip
printf '  %d s so far; unit tests, then integration\n' $((($(date +%s%N) - begun) / 1000000000))
vitest run --project unit
vitest run --project integration
