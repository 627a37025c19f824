# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Sourced by the other scripts: install_packages GROUP...
#
# Installs the Debian packages of the groups that are missing, and nothing when none is: as root, or
# through sudo. Where neither is possible, one line says what to install. An entry "a|b" means the
# first of them that this release knows: a name that differs between releases.

declare -A package_groups=(
	[build]='meson ninja-build pkg-config|pkgconf gcc libc6-dev libdpdk-dev dpdk-dev
		libnuma-dev libjansson-dev libpcap-dev python3 git ccache'
	[clang]='clang libclang-rt-dev|libclang-rt-14-dev llvm'
	[style]='clang-format-14|clang-format shellcheck black flake8'
	[test]='python3-pytest socat spin strace valgrind libglib2.0-dev libuv1-dev gnuplot-nox util-linux
		procps'
	[guest]='qemu-system-x86 seabios busybox-static lz4 zstd xz-utils kmod cpio'
	[deb]='build-essential debhelper dpkg-dev fakeroot'
	[lintian]='lintian'
	[svg]='python3-pyte'
	[chroot]='debootstrap debian-archive-keyring'
)

package_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints the alternatives of which none is installed, one entry per line.
packages_missing() {
	local group entry name found
	for group in "$@"; do
		for entry in ${package_groups[$group]:?no such package group: $group}; do
			found=
			for name in ${entry//|/ }; do
				if package_installed "$name"; then
					found=1
					break
				fi
			done
			[ -n "$found" ] || echo "$entry"
		done
	done
}

package_candidate() {
	local name policy
	for name in ${1//|/ }; do
		policy=$(LC_ALL=C apt-cache policy "$name" 2>/dev/null)
		case $policy in
		'' | *'Candidate: (none)'*) ;;
		*)
			echo "$name"
			return
			;;
		esac
	done
	echo "${1%%|*}" # unknown to this release: apt-get names it in its error
}

install_packages() {
	local missing entry log
	local -a as_root=() names=()

	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		echo "packages: not a Debian system; needed are the counterparts of:" \
			"$(for entry in "$@"; do echo "${package_groups[$entry]}"; done | xargs)" >&2
		return 0
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
			as_root=(sudo)
		else
			echo "packages: neither root nor sudo; as root run: apt-get install" \
				"--no-install-recommends $(for entry in $missing; do
					package_candidate "$entry"
				done | xargs)" >&2
			return 1
		fi
	fi
	as_root+=(env DEBIAN_FRONTEND=noninteractive)
	log=$(mktemp)
	if [ -z "${packages_updated:-}" ]; then
		"${as_root[@]}" apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 ||
			echo "packages: apt-get update failed, trying with the lists that are here" >&2
		packages_updated=1
	fi
	for entry in $missing; do
		names+=("$(package_candidate "$entry")")
	done
	echo "packages: installing ${names[*]}"
	if ! "${as_root[@]}" apt-get -q -y -o DPkg::Lock::Timeout=300 install \
		--no-install-recommends "${names[@]}" >>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "packages: could not install ${names[*]}" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}
