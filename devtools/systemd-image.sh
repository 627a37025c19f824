#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/systemd-image.sh [OPTION]... DEB...
Makes a Debian 12 with systemd as one initramfs, in which the packages DEB can be installed without
a network. Prints the path of the image. An image of the same content is used again. Needs root.

  --dir DIR      folder of the image and its chroot
                 (default: $XDG_CACHE_HOME/dpdk-vsockd/systemd; about 700 MB)
  --mirror URL   of Debian's archive (default: the one that apt uses on this machine)
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
release=bookworm
dir=${XDG_CACHE_HOME:-$HOME/.cache}/dpdk-vsockd/systemd
mirror=
inside=
while [ $# -gt 0 ]; do
	case $1 in
	--dir | --mirror)
		[ $# -ge 2 ] || { echo "systemd-image.sh: $1 needs a value" >&2; exit 2; }
		if [ "$1" = --dir ]; then dir=$2; else mirror=$2; fi
		shift 2
		;;
	--inside) inside=1; shift ;; # second stage, in namespaces of its own
	-h | --help) usage; exit 0 ;;
	-*) echo "systemd-image.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
chroot=$dir/root

say() {
	printf 'systemd-image: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# shellcheck source=devtools/chroot.sh
. "$root/devtools/chroot.sh"

# Units that wait for devices or the network, and generators, cost minutes under emulation.
masked='serial-getty@.service getty@.service systemd-remount-fs.service systemd-random-seed.service
	systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-firstboot.service
	apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
	proc-sys-fs-binfmt_misc.automount dev-hugepages.mount dev-mqueue.mount
	sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@.service systemd-timesyncd.service
	systemd-networkd.service systemd-logind.service'

# A package's dependencies stay when it is purged without those.
install_inside() {
	trap unmount_all EXIT
	trap 'exit 130' INT TERM
	mount_usual "$chroot"
	mkdir -p "$chroot/debs"
	cp "$@" "$chroot/debs/"
	# shellcheck disable=SC2016 # the variables are the chroot's
	in_chroot "$chroot" sh -euc '
		apt-get -q update
		apt-get -q -y --no-install-recommends install systemd systemd-sysv procps
		apt-get -q -y --no-install-recommends install /debs/*.deb
		apt-get -q -y purge $(dpkg-query -W -f "\${Package}\n" | grep dpdk-vsockd)
		apt-get clean' || exit 1
	rm -rf "$chroot/debs" "$chroot"/var/lib/apt/lists/* "$chroot"/usr/share/doc/* \
		"$chroot"/usr/share/man/* "$chroot"/usr/share/locale/* "$chroot"/usr/share/zoneinfo
	mkdir -p "$chroot/etc/systemd/system-generators"
	for unit in $masked; do
		ln -sf /dev/null "$chroot/etc/systemd/system/$unit"
	done
	for generator in "$chroot"/lib/systemd/system-generators/*; do
		ln -sf /dev/null "$chroot/etc/systemd/system-generators/${generator##*/}"
	done
	ln -sf /lib/systemd/systemd "$chroot/init"
	: >"$chroot/etc/machine-id"
	rm -f "$chroot/etc/resolv.conf"
}

[ "$(id -u)" = 0 ] || die "needs root"
if [ -n "$inside" ]; then
	install_inside "$@"
	exit
fi
# shellcheck source=devtools/packages.sh
. "$root/devtools/packages.sh"
install_packages chroot guest >&2 || exit 1
mkdir -p "$dir" && dir=$(cd "$dir" && pwd) && chroot=$dir/root || exit 1
exec 9>"$dir/.lock"
flock 9
# The image depends on what the packages depend on, not on what is in them.
stamp=$( (cat "$0"; for deb in "$@"; do dpkg-deb -f "$deb" Package Depends; done) | sha256sum)
if [ "$stamp" != "$(cat "$dir/stamp" 2>/dev/null)" ] || [ ! -f "$dir/initramfs" ]; then
	rm -f "$dir/stamp" "$dir/chroot.stamp"
	make_chroot "$release" "$dir" "$mirror" >&2
	say "installing systemd and the dependencies of the packages"
	debs=()
	for deb in "$@"; do debs+=("$(realpath "$deb")"); done
	unshare --mount --propagation private --pid --fork --kill-child \
		"$0" --inside --dir "$dir" "${debs[@]}" >"$dir/install.log" 2>&1 || {
		tail -n 20 "$dir/install.log" >&2
		die "the image was not made: see $dir/install.log"
	}
	(cd "$chroot" && find . -xdev | cpio -o -H newc --quiet -R 0:0) >"$dir/initramfs.new" || exit 1
	mv "$dir/initramfs.new" "$dir/initramfs"
	echo "$stamp" >"$dir/stamp"
fi
echo "$dir/initramfs"
