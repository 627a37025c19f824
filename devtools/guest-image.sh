#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Makes what a test guest boots: <dir>/<kernel>/{vmlinux,initramfs,release} for each kernel asked
# for. Debian's kernels are downloaded and unpacked, never installed; what is in the cache is used.
#
#   old     the kernel of Debian 12 (6.1)
#   new     the one of its backports (6.12)
#   latest  the one of Debian 13's backports
set -eu -o pipefail

usage()
{
	cat <<END
usage: guest-image.sh [--dir DIR] [--refresh] [--selftests] [KERNEL...]
  KERNEL       old, new or latest; default: old new
  --dir        where to; default: \$XDG_CACHE_HOME/dpdk-vsockd/guest
  --refresh    download the kernels again
  --selftests  also make <dir>/selftests.cpio, with the vsock tests of the newest kernel's source
               (a download of 170 MB, once)
END
}

say()
{
	echo "guest-image: $*" >&2
}

die()
{
	say "$*"
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
agent_src=$(cd "$here/../test/guest" && pwd)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/dpdk-vsockd/guest
refresh=no
selftests=no
kernels=

while [ $# -gt 0 ]; do
	case $1 in
	--dir) [ $# -ge 2 ] || die "--dir wants a folder"; dir=$2; shift ;;
	--refresh) refresh=yes ;;
	--selftests) selftests=yes ;;
	-h | --help) usage; exit 0 ;;
	old | new | latest) kernels="$kernels $1" ;;
	*) usage >&2; die "unknown argument '$1'" ;;
	esac
	shift
done
[ -n "$kernels" ] || kernels="old new"

# One at a time: tests may start together.
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec 9>"$dir/.lock"
flock 9
work=$dir/.work
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# The suite that a kernel comes from.
suite_of()
{
	case $1 in
	old) echo bookworm ;;
	new) echo bookworm-backports ;;
	latest) echo trixie-backports ;;
	esac
}

# An apt of its own, with the one suite, from the mirror that this machine is set up for.
apt_setup()
{
	local apt_dir=$work/apt-$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	local mirror signed=

	mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial"
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(ORIGIN) $(SUITE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		awk '$1 == "Debian" && $2 !~ /-/ && $3 == "main" && !seen { print $4; seen = 1 }')
	[ -n "$mirror" ] || die "no Debian mirror among apt's sources (try apt-get update)"
	[ ! -e $keyring ] || signed="[signed-by=$keyring]"
	echo "deb $signed $mirror $1 main" >"$apt_dir/sources.list"
	apt_options=(-q -o "Dir::Etc::sourcelist=$apt_dir/sources.list" -o Dir::Etc::sourceparts=-
		-o Dir::Etc::preferencesparts=/dev/null -o "Dir::State::lists=$apt_dir/lists"
		-o "Dir::Cache=$apt_dir" -o "Dir::Cache::archives=$apt_dir/archives"
		-o APT::Sandbox::User=root)
	apt-get "${apt_options[@]}" update >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "the lists of $1 could not be fetched"; }
}

# The packages of the meta package: newer releases split the image into several packages.
kernel_packages()
{
	local names=(linux-image-cloud-amd64)

	for _ in 1 2; do
		mapfile -t names < <(apt-cache "${apt_options[@]}" depends "${names[@]}" |
			sed -nE 's/^ *Depends: (linux-(image|modules|binary)-[0-9][^ <>]*)$/\1/p')
		[ "${#names[@]}" -gt 0 ] || break
		printf '%s\n' "${names[@]}"
	done | sort -u
}

byte_at()
{
	od -An -v -j "$2" -N "$3" -t "u$3" "$1" | tr -d ' '
}

# vmlinux out of a bzImage: the header tells where the packed kernel is (boot protocol 2.08).
extract_vmlinux()
{
	local sects offset length unpack

	sects=$(byte_at "$1" 497 1)
	offset=$(byte_at "$1" 584 4)
	length=$(byte_at "$1" 588 4)
	dd if="$1" of="$work/payload" iflag=skip_bytes,count_bytes bs=64K status=none \
		skip="$(((sects + 1) * 512 + offset))" count="$length"
	case $(od -An -N 4 -t x1 "$work/payload" | tr -d ' ') in
	02214c18) unpack=lz4 ;;
	28b52ffd) unpack=zstd ;;
	fd377a58) unpack=xz ;;
	1f8b*) unpack=gzip ;;
	*) die "$1: packed in an unknown way" ;;
	esac
	# Four bytes, the unpacked size, follow the payload: unpackers complain about them.
	$unpack -dc <"$work/payload" >"$2" 2>/dev/null || true
	[ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || die "$1: no ELF file inside"
}

get_kernel()
{
	local packages root=$work/root-$1 new=$work/new-$1 vmlinuz module file

	apt_setup "$(suite_of "$1")"
	mapfile -t packages < <(kernel_packages)
	[ ${#packages[@]} -gt 0 ] || die "$1: no kernel in $(suite_of "$1")"
	say "$1: downloading ${packages[*]}"
	(cd "$work" && apt-get "${apt_options[@]}" download "${packages[@]}") >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "$1: download failed"; }
	for deb in "$work"/linux-*.deb; do
		dpkg -x "$deb" "$root"
		rm "$deb"
	done
	mkdir -p "$new/modules"
	vmlinuz=$(find "$root" -name 'vmlinuz*' -type f)
	[ -f "$vmlinuz" ] || die "$1: no vmlinuz in ${packages[*]}"
	extract_vmlinux "$vmlinuz" "$new/vmlinux"
	basename "$(dirname "$(find "$root" -path '*/lib/modules/*/kernel' -prune)")" >"$new/release"
	for module in $modules $modules_extra; do
		file=$(find "$root" -name "$module.ko*")
		case $file in
		'') continue ;; # built in
		*.xz) xz -dc "$file" >"$new/modules/$module.ko" ;;
		*.zst) zstd -dqc "$file" >"$new/modules/$module.ko" ;;
		*) cp "$file" "$new/modules/$module.ko" ;;
		esac
	done
	[ -e "$new/modules/vmw_vsock_virtio_transport.ko" ] || die "$1: the kernel has no vsock"
	echo "$modules $modules_extra" >"$new/wanted"
	rm -rf "$root" "${dir:?}/$1"
	mv "$new" "$dir/$1"
}

# In the order to load them; the extra ones are loaded by the tests that want them.
modules="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci vsock
	vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport"
modules_extra="vsock_loopback vsock_diag failover net_failover virtio_net"

build_agent()
{
	${CC:-cc} -std=gnu11 -D_GNU_SOURCE -O2 -static -s -Wall -Wextra -Wshadow -Wstrict-prototypes \
		-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Werror \
		-o "$work/agent" "$agent_src"/agent*.c
}

build_initramfs()
{
	tree=$work/initramfs-$1
	mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/tmp"
	cp -r "$dir/$1/modules" "$tree/modules"
	cp "$work/agent" "$tree/init"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	for tool in sh cat echo ls dmesg free mkdir rm sleep; do
		ln -s busybox "$tree/bin/$tool"
	done
	for module in $modules; do
		[ ! -e "$tree/modules/$module.ko" ] || echo "/modules/$module.ko"
	done >"$tree/modules.list"
	(cd "$tree" && find . | cpio -o -H newc --quiet -R 0:0) >"$work/initramfs"
	mv "$work/initramfs" "$dir/$1/initramfs"
}

# vsock_test of tools/testing/vsock, static, in an archive that can follow an initramfs.
build_selftests()
{
	local package source=$work/source tree=$work/selftests

	apt_setup trixie-backports
	package=$(apt-cache "${apt_options[@]}" depends linux-source |
		sed -n 's/^ *Depends: \(linux-source-[0-9.]*\)$/\1/p')
	[ -n "$package" ] || die "no source of Linux in trixie-backports"
	say "selftests: downloading $package"
	mkdir -p "$source" "$tree/bin"
	(cd "$source" && apt-get "${apt_options[@]}" download "$package") >"$work/log" 2>&1 ||
		{ cat "$work/log" >&2; die "$package: download failed"; }
	dpkg --fsys-tarfile "$source"/*.deb | tar -xOf - --wildcards '*.tar.xz' |
		tar -xJf - -C "$source" --strip-components=1 --wildcards '*/tools/testing/vsock/*' \
			'*/tools/include/*'
	(cd "$source/tools/testing/vsock" && ${CC:-cc} -static -s -O2 -D_GNU_SOURCE -w \
		-fno-strict-aliasing -U_FORTIFY_SOURCE -I. -I../../include -o "$tree/bin/vsock_test" \
		vsock_test.c vsock_test_zerocopy.c timeout.c control.c util.c msg_zerocopy_common.c \
		-lpthread) >"$work/log" 2>&1 || { cat "$work/log" >&2; die "vsock_test: build failed"; }
	(cd "$tree" && find . -type f | cpio -o -H newc --quiet -R 0:0) >"$work/selftests.cpio"
	mv "$work/selftests.cpio" "$dir/selftests.cpio"
	rm -rf "$source"
}

busybox=$(command -v busybox) || die "busybox-static is not installed"
agent_sum=$(cat "$0" "$agent_src"/agent*.[ch] "$busybox" | sha256sum | cut -d ' ' -f 1)
for kernel in $kernels; do
	if [ $refresh = yes ] || [ ! -e "$dir/$kernel/vmlinux" ] ||
		[ "$(cat "$dir/$kernel/wanted" 2>/dev/null)" != "$modules $modules_extra" ]; then
		get_kernel "$kernel"
	fi
	if [ "$(cat "$dir/$kernel/stamp" 2>/dev/null)" != "$agent_sum" ] ||
		[ ! -e "$dir/$kernel/initramfs" ]; then
		[ -e "$work/agent" ] || build_agent
		build_initramfs "$kernel"
		echo "$agent_sum" >"$dir/$kernel/stamp"
	fi
	say "$kernel: Linux $(cat "$dir/$kernel/release")"
done
if [ $selftests = yes ] && { [ $refresh = yes ] || [ ! -e "$dir/selftests.cpio" ]; }; then
	build_selftests
fi
echo "$dir"
