#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/test-dpdk-24.11.sh [OPTION]... [-- TEST-OPTION...]
Builds and tests against DPDK 24.11 in a chroot of Debian 13 made with debootstrap; needs root.
The test options go to devtools/test.sh, by default "--only gcc" (unit, stress and system).
The last line and the exit status are those of devtools/test.sh.

  --dir DIR      folder of the chroot and the build (default: build-trixie in the checkout);
                 about 3 GB, kept, and used again by the next run
  --mirror URL   of Debian's archive (default: the one that apt uses on this machine)
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
release=trixie
dir=$root/build-$release
mirror=
inside=
while [ $# -gt 0 ]; do
	case $1 in
	--dir | --mirror)
		[ $# -ge 2 ] || { echo "test-dpdk-24.11.sh: $1 needs a value" >&2; exit 2; }
		if [ "$1" = --dir ]; then dir=$2; else mirror=$2; fi
		shift 2
		;;
	--inside) inside=1; shift ;; # second stage, in namespaces of its own
	--) shift; break ;;
	-h | --help) usage; exit 0 ;;
	*) echo "test-dpdk-24.11.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done
chroot=$dir/root

say() {
	printf '[%4ds] %s\n' "$SECONDS" "$*"
}

die() {
	echo "test-dpdk-24.11.sh: $*" >&2
	exit 1
}

# shellcheck source=devtools/chroot.sh
. "$root/devtools/chroot.sh"

# The second stage. The namespaces end with this process, so that neither a mount nor a process
# outlives it. The trap is for a mount namespace that is shared in spite of unshare.
run_inside() {
	trap unmount_all EXIT
	trap 'exit 130' INT TERM
	mount_usual "$chroot"
	mount_in "$chroot" mnt/checkout --bind -o ro "$root"
	mount_in "$chroot" mnt/build --bind "$dir/build"
	in_chroot "$chroot" /mnt/checkout/devtools/test.sh --build-root /mnt/build "$@"
}

[ "$(id -u)" = 0 ] || die "needs root"
[ $# -gt 0 ] || set -- --only gcc
if [ -n "$inside" ]; then
	run_inside "$@"
	exit
fi

# shellcheck source=devtools/packages.sh
. "$root/devtools/packages.sh"
install_packages chroot || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) && chroot=$dir/root && mkdir -p "$dir/build" || exit 1
make_chroot "$release" "$dir" "$mirror"
unshare --mount --propagation private --pid --fork --kill-child \
	"$0" --inside --dir "$dir" -- "$@"
