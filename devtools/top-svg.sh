#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/top-svg.sh [OPTION]...
Draws doc/img/top.svg: dpdk-vsock-top.py on a terminal of 100 columns, while the load generator plays
three guests. Installs python3-pyte, which plays the terminal.

  --build DIR   take the programs of this build (default: build, which is built)
  --out FILE    write there
  -h, --help
USAGE
}

cd "$(dirname "$0")/.." || exit 1
build=
out=doc/img/top.svg
while [ $# -gt 0 ]; do
	case $1 in
	--build | --out)
		[ $# -ge 2 ] || { echo "top-svg.sh: $1 needs a value" >&2; exit 2; }
		if [ "$1" = --build ]; then build=$2; else out=$2; fi
		shift 2
		;;
	-h | --help) usage; exit 0 ;;
	*) echo "top-svg.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done
# shellcheck source=devtools/packages.sh
. devtools/packages.sh
install_packages build svg || exit 1
if [ -z "$build" ]; then
	build=build
	[ -e build/build.ninja ] || meson setup --buildtype=release build >/dev/null || exit 1
	ninja -C build app/dpdk-vsockd/dpdk-vsockd app/dpdk-vsock-pktgen/dpdk-vsock-pktgen >/dev/null ||
		exit 1
fi
export PYTHONPATH=$PWD/test PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 devtools/demo/top_svg.py "$build" "$out"
