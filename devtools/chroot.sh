# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Sourced by the scripts that use chroots of Debian. They define say() and die().

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

# make_chroot RELEASE FOLDER MIRROR: a minimal Debian in FOLDER/root, unless it is there. An empty
# MIRROR stands for the archive of this system.
make_chroot() {
	local release=$1 dir=$2 mirror=$3 chroot=$2/root log=$2/debootstrap.log proxy
	[ ! -f "$dir/chroot.stamp" ] || return 0
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

# mount_in CHROOT PATH ARG...: the path is inside the chroot
mount_in() {
	local target=$1/$2
	shift 2
	mkdir -p "$target"
	mount "$@" "$target" || die "cannot mount $target"
	mounts+=("$target")
}

# mount_usual CHROOT: what programs expect. The caller is in a mount namespace of its own.
mount_usual() {
	mount_in "$1" proc -t proc proc
	mount_in "$1" sys --rbind -o ro /sys
	mount_in "$1" dev/shm -t tmpfs tmpfs
	mount_in "$1" dev/pts -t devpts devpts
	mount_in "$1" run -t tmpfs tmpfs
	cp -L /etc/resolv.conf /etc/hosts "$1/etc/" 2>/dev/null || :
}

# in_chroot CHROOT COMMAND...: with a clean environment
in_chroot() {
	local chroot=$1
	shift
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
		DEBIAN_FRONTEND=noninteractive chroot "$chroot" "$@"
}
