#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two real Linux guests and this host talk through dpdk-vsockd: installs what is missing, builds,
# fetches the guests' kernels, runs the exchange and shows the figures. No KVM, no huge pages, no
# kernel module and nothing left behind but build/ and the kernels in the cache.
#
#   demo.sh [BUILD-DIR]         default: build
set -u -o pipefail

cd "$(dirname "$0")/.." || exit 1
start=$(date +%s.%N)
build=${1:-build}

. devtools/packages.sh

fail()
{
	echo "demo: FAILED: $*" >&2
	exit 1
}

# Runs a command quietly; shows what it said only when it fails.
quietly()
{
	local what=$1
	local log

	shift
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		fail "$what"
	fi
	rm -f "$log"
}

install_packages build guest || fail "packages are missing"

echo "building the daemon in $build"
if [ ! -e "$build/build.ninja" ]; then
	quietly "meson setup" meson setup "$build"
fi
quietly "the build of the daemon" ninja -C "$build" app/dpdk-vsockd/dpdk-vsockd

echo "preparing the guests"
image=$(devtools/guest-image.sh old new) || fail "no image for the guests"

export PYTHONPATH=$PWD/test:$PWD/test/guest PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 devtools/demo/demo.py --vsockd "$build/app/dpdk-vsockd/dpdk-vsockd" \
	--image "$image" --start "$start"
