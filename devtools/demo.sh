#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/demo.sh [OPTION]...
Two Linux guests and this host talk through dpdk-vsockd. The script installs missing packages, builds
the daemon, fetches the kernels of the guests, runs the exchange and explains the figures. It needs
neither KVM nor huge pages. It leaves behind the build and the kernels in the cache.

  --shell        leave the guests up, and show commands to try
  --build DIR    folder of the build (default: build)
  -h, --help
USAGE
}

cd "$(dirname "$0")/.." || exit 1
start=$(date +%s.%N)
build=build
options=()
while [ $# -gt 0 ]; do
	case $1 in
	--shell) options+=(--shell); shift ;;
	--build)
		[ $# -ge 2 ] || { echo "demo.sh: $1 needs a value" >&2; exit 2; }
		build=$2
		shift 2
		;;
	-h | --help) usage; exit 0 ;;
	*) echo "demo.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done

. devtools/packages.sh

fail()
{
	echo "demo: FAILED: $*" >&2
	exit 1
}

# Run a command, and show its output only if it fails.
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

echo "preparing the kernels of the guests (the first time they are downloaded, about 100 MB)"
image=$(devtools/guest-image.sh old new) || fail "no image for the guests"

export PYTHONPATH=$PWD/test:$PWD/test/guest PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 devtools/demo/demo.py --vsockd "$build/app/dpdk-vsockd/dpdk-vsockd" \
	--image "$image" --start "$start" "${options[@]}"
