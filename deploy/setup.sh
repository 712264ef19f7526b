#!/usr/bin/env bash
# Installs the programs that the tests and `npm run up` need and npm cannot bring. Run it as often as you like: with all
# there it only looks. As root on Debian or Ubuntu it uses apt-get, and nothing it installs is started. Not root, it
# unpacks the same packages into a cache of its own (see `cache` below) and writes an `env` file there; the machine is
# not changed. Elsewhere it says what is missing.
#
#   deploy/setup.sh            install what is missing
#   deploy/setup.sh --check    only list it; exit 1 if something is missing
#   deploy/setup.sh --env      print the path of the env file, nothing if there is none
#
# CIRCUS_SETUP_ROOTLESS=1 forces the second way and takes nothing from the machine but its base system (for trying it).
set -euo pipefail

cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/circus-cluster/debs
rootless=${CIRCUS_SETUP_ROOTLESS:-}

# What is needed: package, then how it shows: a command, or a Python module.
needs='
nats-server      command nats-server
chaussette       module  chaussette
python3-gevent   module  gevent
python3-zmq      module  zmq
python3-tornado  module  tornado
python3-psutil   module  psutil
redis-server     command redis-server
gunicorn         command gunicorn
wrk              command wrk
supervisor       command supervisord
iproute2         command ip
curl             command curl
util-linux       command unshare
openssh-server   command sshd
zsh              command zsh
fish             command fish
chromium         command chromium
'
# better-sqlite3 is compiled where its author has no binary for the machine.
builders='
python3          command python3
make             command make
g++              command g++
'

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Debian keeps servers in sbin, which an ordinary user's PATH lacks.
use_sbin() { case ":$PATH:" in *:/usr/sbin:*) ;; *) PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin ;; esac; }

# Modules that the best of the Pythons lacks. Debian's modules belong to /usr/bin/python3, whatever comes first in PATH;
# test/support/python.ts looks in the same order.
missing_modules() {
  local python wanted absent fewest=""
  wanted=$(awk '$2 == "module" { print $3 }' <<<"$needs")
  for python in "$unpacked_python" /usr/bin/python3 "$(command -v python3 || true)"; do
    [ -n "$python" ] && [ -x "$python" ] || continue
    absent=$("$python" -c '
import sys
from importlib.machinery import PathFinder
path = [entry for entry in sys.path if entry]
print(" ".join(name for name in sys.argv[1:] if PathFinder.find_spec(name, path) is None))
' $wanted) || continue
    [ -z "$absent" ] && return
    fewest=${fewest:-$absent}
  done
  echo "${fewest:-$wanted}"
}

# Sets `missing` to the packages that are not there.
look() {
  local package kind name absent
  missing=()
  absent=" $(missing_modules) "
  while read -r package kind name; do
    case $kind in
      command) command -v "$name" >/dev/null || missing+=("$package") ;;
      module) case $absent in *" $name "*) missing+=("$package") ;; esac ;;
    esac
  done < <(grep . <<<"$needs$builders")
}

apt() {
  DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -o DPkg::Lock::Timeout=120 "$@"
}

# --- as root -------------------------------------------------------------------------------------------------------

policy=/usr/sbin/policy-rc.d
policy_mark="# circus-cluster setup.sh, of this run only: pid"

# invoke-rc.d and deb-systemd-invoke ask $policy before they start anything; 101 means no. Ours exists while apt runs.
# A machine that has one already (containers) keeps it.
forbid_services() {
  local owner
  if [ -e "$policy" ]; then
    owner=$(sed -n "s/^$policy_mark //p" "$policy")
    if [ -z "$owner" ]; then
      "$policy" redis-server start >/dev/null 2>&1 && say "note: $policy lets packages start their services; it stays as it is"
      return 0
    fi
    if kill -0 "$owner" 2>/dev/null; then return 0; fi
    rm -f "$policy" # left by a run that was killed
  fi
  trap allow_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\n%s %s\nexit 101\n' "$policy_mark" "$$" >"$policy.$$"
  chmod 755 "$policy.$$"
  mv "$policy.$$" "$policy"
}
allow_services() {
  rm -f "$policy.$$"
  if grep -qsx "$policy_mark $$" "$policy"; then rm -f "$policy"; fi
}

install_as_root() {
  local package
  forbid_services
  say "installing ${missing[*]}"
  if ! apt install -y --no-install-recommends --no-upgrade "${missing[@]}" >/dev/null 2>&1; then
    say "updating the package lists first"
    apt update >&2
    apt install -y --no-install-recommends --no-upgrade "${missing[@]}" >&2
  fi
  allow_services
  # Nor at the next boot: what we brought is for the tests.
  if command -v systemctl >/dev/null; then
    for package in "${missing[@]}"; do
      case $package in
        nats-server | redis-server | supervisor) systemctl disable --quiet "$package" >/dev/null 2>&1 || true ;;
        openssh-server) systemctl disable --quiet ssh.service ssh.socket >/dev/null 2>&1 || true ;;
      esac
    done
  fi
}

# --- not root ------------------------------------------------------------------------------------------------------

# The machine's list of installed packages, for a forced run without the wanted ones and what only they brought.
write_status() {
  local hidden=""
  if [ -n "$rootless" ]; then
    hidden=$(apt-get -s remove --auto-remove $(awk 'NF && $1 != "util-linux" { print $1 }' <<<"$needs") 2>/dev/null |
      awk '$1 == "Remv" { print $2 }' || true)
  fi
  awk -v hidden="$hidden" 'BEGIN { RS = ""; ORS = "\n\n"; n = split(hidden, names, /[ \n]+/); for (i = 1; i <= n; i++) hide[names[i]] = 1 }
    { name = $2; if (!(name in hide)) print }' /var/lib/dpkg/status >"$cache/status"
}

# apt-get with the package lists of the machine or, once updated, our own; never its locks.
user_apt() {
  local lists=()
  [ -d "$cache/lists" ] && lists=(-o "Dir::State::lists=$cache/lists")
  apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Dir::State::status="$cache/status" \
    -o Dir::Cache="$cache/apt" "${lists[@]}" "$@"
}

# Downloads the missing packages and what they need, as files into debs/.
download() {
  local wanted
  wanted=$(user_apt --print-uris --no-install-recommends install "${missing[@]}" 2>"$cache/log" |
    awk '{ sub(/_[^_]*\.deb$/, "", $2); sub(/_/, "=", $2); gsub(/%3a/, ":", $2); print $2 }') && [ -n "$wanted" ] &&
    (cd "$cache/new/debs" && user_apt download $wanted >>"$cache/log" 2>&1)
}

install_unpacked() {
  local deb script
  mkdir -p "$cache/apt/archives/partial"
  # Two runs at a time would unpack over each other.
  exec 9>"$cache/lock"
  if command -v flock >/dev/null; then flock 9; fi
  rm -rf "$cache/new"
  mkdir -p "$cache/new/debs" "$cache/new/root"
  write_status
  say "unpacking into $cache: ${missing[*]}"
  if ! download; then
    say "updating a package list of our own first"
    mkdir -p "$cache/lists/partial"
    user_apt update >>"$cache/log" 2>&1 || true
    download || { tail -n 5 "$cache/log" >&2; die "the packages could not be downloaded (see $cache/log)"; }
  fi
  for deb in "$cache"/new/debs/*.deb; do dpkg -x "$deb" "$cache/new/root"; done
  # What an earlier run unpacked stays usable until the new tree is complete.
  mkdir -p "$cache/root"
  cp -a "$cache/new/root/." "$cache/root/"
  rm -rf "$cache/new"
  if [ ! -x /usr/bin/python3 ]; then
    grep -lIs '^#! */usr/bin/python3' "$cache"/root/usr/bin/* | while read -r script; do
      sed -i "1s|^#! */usr/bin/python3|#!$cache/root/usr/bin/python3|" "$script"
    done
  fi
  write_env
}

write_env() {
  local root=$cache/root libs
  libs=$(find "$root/lib" "$root/usr/lib" -maxdepth 1 -type d -name '*-linux-*' 2>/dev/null | paste -sd : || true)
  cat >"$cache/env.new" <<ENV
# Written by deploy/setup.sh: programs unpacked without installing them. Source it.
case ":\$PATH:" in *":$root/usr/bin:"*) ;; *)
  export PATH="$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin:\$PATH"
  export PYTHONPATH="$root/usr/lib/python3/dist-packages\${PYTHONPATH:+:\$PYTHONPATH}"
  export LD_LIBRARY_PATH="$libs\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
esac
ENV
  mv "$cache/env.new" "$cache/env"
}

# --- the three ways ------------------------------------------------------------------------------------------------

mode=${1:-}
case $mode in
  "" | --check | --env) ;;
  *) die "unknown option $mode (there are --check and --env)" ;;
esac

use_sbin
unpacked_python=""
if [ "$mode" = --env ]; then
  if [ -r "$cache/env" ]; then printf '%s\n' "$cache/env"; fi
  exit 0
fi
use_unpacked() {
  if [ -r "$cache/env" ]; then
    . "$cache/env"
    if [ -x "$cache/root/usr/bin/python3" ]; then unpacked_python=$cache/root/usr/bin/python3; fi
  fi
}
use_unpacked
missing=()
if [ -n "$rootless" ] && [ ! -r "$cache/env" ]; then
  mapfile -t missing < <(awk 'NF && $1 != "util-linux" { print $1 }' <<<"$needs")
else
  look
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$mode" = --check ]; then
  printf '%s\n' "${missing[@]}"
  exit 1
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  say "missing: ${missing[*]} (these are Debian's names)"
  die "this machine has no apt-get: install them with its package manager (nats-server: nats.io/download; the python3-… ones, chaussette and gunicorn also come by pip), then run this again"
fi
if [ "$(id -u)" = 0 ] && [ -z "$rootless" ]; then
  install_as_root
else
  mkdir -p "$cache"
  install_unpacked
fi
use_unpacked
hash -r
look
[ ${#missing[@]} -eq 0 ] || die "still missing after the installation: ${missing[*]}"
