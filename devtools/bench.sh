#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u

usage() {
	cat <<'USAGE'
Usage: devtools/bench.sh [OPTION]...
Measures dpdk-vsockd against raw Unix sockets, memcpy and, on request, other back ends: all in one
run, in alternating rounds, as medians. Prints tables, and which targets were met. No figure makes
it fail; what makes it fail is a run of ours that loses, corrupts or stalls. What another back end
fails at is said below its table. All of it, with one other back end, takes about 15 minutes.

  --quick            fewer and shorter rounds, no plots, none of the rows with hundreds of guests
                     or 10,000s of connections; less than 3 minutes
  --rounds N         rounds (default 5; quick 3)
  --seconds S        length of each measurement (default 1.5; quick 0.4)
  --build DIR        take the programs of this build (default: a release build of its own)
  --other COMMAND    another back end beside it, as often as wanted. {cid} {sock} {uds} stand for
                     the CID, the vhost-user socket and the base path of the host side of a guest,
                     {cid2} {sock2} {uds2} for those of a second one, if the command can do two
  --name NAME        how the one --other before it is called (default: its program)
  --only PATTERN     only the rows whose name matches (shell pattern): gh-, hg-, gg- with the size
                     (64, 4k, 64k), rtt-gh rtt-gg rtt-load, conn-gh-1 conn-hg-16 and the like,
                     idle-64 idle-256 among-256 conns-gg conns-gh
  --cpus A,B         A: load generator and main thread, B: back end (default: the first two)
  --no-counts        no lcore time, copies, system calls, notifications, instructions per packet
  --write            put the table into doc/performance.md and the plots into doc/img/
  --keep DIR         leave the results of every single measurement there, as JSON
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
build=
args=()
while [ $# -gt 0 ]; do
	case $1 in
	--build | --rounds | --seconds | --other | --name | --only | --cpus | --keep)
		[ $# -ge 2 ] || { echo "bench.sh: $1 needs a value" >&2; exit 2; }
		if [ "$1" = --build ]; then
			build=$2
		else
			args+=("$1=$2")
		fi
		shift 2
		;;
	--quick | --no-counts | --write) args+=("$1"); shift ;;
	-h | --help) usage; exit 0 ;;
	*) echo "bench.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done

if [ -z "$build" ]; then
	build=$root/build-bench
	[ -f "$build/build.ninja" ] ||
		meson setup --buildtype=release "$build" "$root" >/dev/null || exit 1
	ninja -C "$build" app/dpdk-vsockd/dpdk-vsockd app/dpdk-vsock-pktgen/dpdk-vsock-pktgen \
		>/dev/null || { echo "bench.sh: the build failed" >&2; exit 1; }
fi
export PYTHONPATH=$root/test PYTHONDONTWRITEBYTECODE=1
exec python3 "$root/devtools/bench.py" --build="$build" ${args[@]+"${args[@]}"}
