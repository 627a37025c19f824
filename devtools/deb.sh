#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/deb.sh [OPTION]...
Builds the Debian packages of the files that git knows in this checkout, and checks them with
lintian. Needs root only to install missing build dependencies.

  --out DIR      folder for the packages (default: build-deb in the checkout)
  --no-lintian   do not check
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
out=$root/build-deb
lintian=1
while [ $# -gt 0 ]; do
	case $1 in
	--out)
		[ $# -ge 2 ] || { echo "deb.sh: $1 needs a value" >&2; exit 2; }
		out=$2
		shift 2
		;;
	--no-lintian) lintian=; shift ;;
	-h | --help) usage; exit 0 ;;
	*) echo "deb.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done

# shellcheck source=devtools/packages.sh
. "$root/devtools/packages.sh"
groups=(build deb)
[ -z "$lintian" ] || groups+=(lintian)
install_packages "${groups[@]}" || exit 1
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/dpdk-vsockd"
# The owner of the checkout may be another user, as in a chroot.
git -c safe.directory="$root" -C "$root" ls-files -z |
	tar -C "$root" --null --files-from=- -cf - | tar -C "$work/dpdk-vsockd" -xf - || exit 1
# A chroot with other umasks: files are group-writable in some checkouts.
chmod -R go-w "$work/dpdk-vsockd"
cd "$work/dpdk-vsockd" || exit 1
if ! dpkg-buildpackage -b -us -uc >"$out/build.log" 2>&1; then
	tail -n 30 "$out/build.log" >&2
	echo "deb.sh: the packages could not be built: see $out/build.log" >&2
	exit 1
fi
rm -f "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
cp "$work"/*.deb "$work"/*.changes "$work"/*.buildinfo "$out"/ || exit 1
if [ -n "$lintian" ]; then
	lintian --allow-root --fail-on error "$out"/*.changes | tee "$out/lintian.log"
	[ "${PIPESTATUS[0]}" = 0 ] || { echo "deb.sh: lintian found errors" >&2; exit 1; }
fi
ls "$out"/*.deb
