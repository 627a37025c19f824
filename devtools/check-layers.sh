#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u

usage() {
	cat <<'USAGE'
Usage: devtools/check-layers.sh [BUILD]
Checks that files include and call only files of their own layer or of lower ones, and that no
files form a circle. x.c and x.h count as one file. Calls are checked only if BUILD, a build folder
of meson, is given and everything in it is built. The list of layers is in this script.
USAGE
}

case ${1:-} in
-h | --help) usage; exit 0 ;;
-*) usage >&2; exit 2 ;;
esac
[ $# -le 1 ] || { usage >&2; exit 2; }

# One rule a line: AREA RULE WORD...
#   folders    the folders of the area, from the ground up. Each source file lies in one of them.
#   floor      files (without .c and .h) of a flat area: one floor a line, from the ground up. An
#              area with floors names all of its files. In one without, only circles are errors.
#   uses       which areas, folders and files (without .c and .h) of other areas, and libraries
#              (dpdk) the area may include and call. Each area may use the C library.
#   public     the headers that other areas may include, when not all of them.
#   scheduler  FOLDER NAME...: only FOLDER and the folders above it may name these functions, and
#              the file that defines them. FOLDER/x.h stands for all functions that it declares.
exec python3 "$(dirname "$0")/layers.py" --root "$(dirname "$0")/.." "$@" <<'RULES'
lib/wq public       wq.h wq_block.h wq_stats.h

drivers/vsock folders    base wire ring data state lcore journal conn host switch loop control
drivers/vsock folders    vhost life
drivers/vsock uses       config lib/wq dpdk
drivers/vsock scheduler  switch to_guest_poll
drivers/vsock scheduler  loop from_guest_poll lcore_loop_main loop/lcore_ctl.h

app/dpdk-vsockd uses     config lib/wq dpdk
app/dpdk-vsockd uses     drivers/vsock/base drivers/vsock/control drivers/vsock/life

lib/vfe uses

app/dpdk-vsock-pktgen uses  lib/vfe
RULES
