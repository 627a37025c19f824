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

# Settings of apt for proxies and retries, for the apt in the chroot.
apt_transport() {
	apt-config dump | grep -E '^Acquire::(https?|Retries)' || :
}

# The archive that the packages of this system come from.
apt_mirror() {
	# shellcheck disable=SC2016 # the variables are apt's
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|Debian|\(https\{0,1\}:.*\)/\1/p' | head -n 1
}

make_chroot() {
	local proxy log=$dir/debootstrap.log
	[ -n "$mirror" ] || mirror=$(apt_mirror)
	[ -n "$mirror" ] || die "apt uses no archive of Debian on this machine: give --mirror"
	rm -rf --one-file-system "$chroot"
	mkdir -p "$chroot"
	proxy=$(apt-config dump | sed -n 's/^Acquire::http::Proxy "\(.*\)";/\1/p')
	say "debootstrap: $release"
	env ${proxy:+"http_proxy=$proxy"} debootstrap --variant=minbase \
		--include=ca-certificates "$release" "$chroot" "$mirror" >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "debootstrap failed"
	}
	apt_transport >"$chroot/etc/apt/apt.conf.d/50transport"
	touch "$dir/chroot.stamp"
	say "debootstrap: done"
}

mounts=()
unmount_all() {
	local i
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		umount "${mounts[i]}" 2>/dev/null || umount -l "${mounts[i]}"
	done
	mounts=()
}

# mount_in PATH ARG...: the path is inside the chroot
mount_in() {
	local target=$chroot/$1
	shift
	mkdir -p "$target"
	mount "$@" "$target" || die "cannot mount $target"
	mounts+=("$target")
}

# The second stage. The namespaces end with this process, so that neither a mount nor a process
# outlives it. The trap is for a mount namespace that is shared in spite of unshare.
run_inside() {
	trap unmount_all EXIT
	trap 'exit 130' INT TERM
	mount_in proc -t proc proc
	mount_in sys --rbind -o ro /sys
	mount_in dev/shm -t tmpfs tmpfs
	mount_in dev/pts -t devpts devpts
	mount_in run -t tmpfs tmpfs
	mount_in mnt/checkout --bind -o ro "$root"
	mount_in mnt/build --bind "$dir/build"
	cp -L /etc/resolv.conf /etc/hosts "$chroot/etc/" 2>/dev/null || :
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
		chroot "$chroot" /mnt/checkout/devtools/test.sh \
		--build-root /mnt/build "$@"
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
[ -f "$dir/chroot.stamp" ] || make_chroot
unshare --mount --propagation private --pid --fork --kill-child \
	"$0" --inside --dir "$dir" -- "$@"
