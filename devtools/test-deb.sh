#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/test-deb.sh [OPTION]...
Builds the packages in a chroot of a Debian release, and installs, runs and purges them in another
one that has nothing else. Needs root.

  --release NAME  bookworm or trixie (default: bookworm)
  --dir DIR       folder of the chroots (default: build-deb-NAME in the checkout); about 1.5 GB,
                  kept, and used again by the next run
  --mirror URL    of Debian's archive (default: the one that apt uses on this machine)
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
release=bookworm
dir=
mirror=
inside=
while [ $# -gt 0 ]; do
	case $1 in
	--release | --dir | --mirror)
		[ $# -ge 2 ] || { echo "test-deb.sh: $1 needs a value" >&2; exit 2; }
		case $1 in
		--release) release=$2 ;;
		--dir) dir=$2 ;;
		--mirror) mirror=$2 ;;
		esac
		shift 2
		;;
	--inside) inside=1; shift ;; # second stage, in namespaces of its own
	-h | --help) usage; exit 0 ;;
	*) echo "test-deb.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done
[ -n "$dir" ] || dir=$root/build-deb-$release
bare=$dir/bare/root

say() {
	printf '[%4ds] %s\n' "$SECONDS" "$*"
}

die() {
	echo "test-deb.sh: $*" >&2
	exit 1
}

# shellcheck source=devtools/chroot.sh
. "$root/devtools/chroot.sh"

build_packages() {
	mount_usual "$dir/build/root"
	mount_in "$dir/build/root" mnt/checkout --bind -o ro "$root"
	mount_in "$dir/build/root" mnt/out --bind "$dir/out"
	in_chroot "$dir/build/root" /mnt/checkout/devtools/deb.sh --out /mnt/out ||
		die "the packages were not built"
	say "built: $(cd "$dir/out" && echo ./*.deb)"
}

# What the package's scripts leave on the system besides what was there before.
files_of() {
	(cd "$bare" && find etc usr lib var/lib/systemd run -xdev \( -name '*vsock*' -o -name '*wq*' \) \
		! -path '*/python3/*' -print | sort)
}

# The daemon as the service runs it, but without systemd.
run_service() {
	# shellcheck disable=SC2016 # the variables are the chroot's
	in_chroot "$bare" sh -euc '
		install -d -m 3770 -o vsockd -g vsockd /run/vsockd
		. /etc/default/dpdk-vsockd
		umask 007
		export RUNTIME_DIRECTORY=/run/vsockd
		as_user="setpriv --reuid=vsockd --regid=vsockd --clear-groups"
		$as_user /usr/sbin/dpdk-vsockd --file-prefix=vsockd $VSOCKD_LCORES $VSOCKD_MEMORY \
			$VSOCKD_PORTS -- $VSOCKD_OPTIONS &
		pid=$!
		for i in $(seq 100); do
			[ ! -S /run/vsockd/vm3.sock ] || break
			sleep 0.1
		done
		$as_user dpdk-vsock-pktgen --scenario guest-to-host --seconds 1 --verify --quiet \
			--guest iface=/run/vsockd/vm3.sock,uds=/run/vsockd/vm3.vsock,cid=3
		unset RUNTIME_DIRECTORY
		$as_user dpdk-vsock-top.py -n 1 -i 0.2
		$as_user dpdk-vsock-exporter.py --once | grep -c "^vsockd_port_"
		kill $pid
		wait $pid
		test ! -e /run/vsockd/vm3.sock'
}

run_inside() {
	local before after
	trap unmount_all EXIT
	trap 'exit 130' INT TERM
	build_packages
	mount_usual "$bare"
	mount_in "$bare" mnt/out --bind -o ro "$dir/out"
	in_chroot "$bare" apt-get -q update >"$dir/apt.log" 2>&1 || die "apt-get update: $dir/apt.log"
	before=$(files_of)
	in_chroot "$bare" sh -c 'apt-get -q -y --no-install-recommends install /mnt/out/dpdk-vsockd_*.deb \
		/mnt/out/dpdk-vsockd-tools_*.deb' >>"$dir/apt.log" 2>&1 || {
		tail -n 20 "$dir/apt.log"
		die "the packages cannot be installed"
	}
	say "installed"
	in_chroot "$bare" dpdk-vsockd --version || die "the daemon does not start"
	run_service || die "the daemon does not serve"
	in_chroot "$bare" apt-get -q -y purge dpdk-vsockd dpdk-vsockd-tools >>"$dir/apt.log" 2>&1 ||
		die "purge: $dir/apt.log"
	after=$(files_of)
	if [ "$before" != "$after" ]; then
		diff <(echo "$before") <(echo "$after")
		die "purge leaves files"
	fi
	say "purged: nothing is left"
}

[ "$(id -u)" = 0 ] || die "needs root"
if [ -n "$inside" ]; then
	run_inside
	exit
fi
# shellcheck source=devtools/packages.sh
. "$root/devtools/packages.sh"
install_packages chroot || exit 1
mkdir -p "$dir/bare" "$dir/build" "$dir/out" && dir=$(cd "$dir" && pwd) || exit 1
make_chroot "$release" "$dir/bare" "$mirror"
make_chroot "$release" "$dir/build" "$mirror"
unshare --mount --propagation private --pid --fork --kill-child \
	"$0" --inside --release "$release" --dir "$dir"
