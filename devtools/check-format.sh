#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Are the tracked C files formatted as .clang-format says?   check-format.sh [--fix]
#
# The output of clang-format changes from release to release, so one release judges: 14. Where it
# is not installed the check is skipped (exit 77).
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "$(git ls-files)" ] || { echo "git lists no files here"; exit 1; }

judge=14
tool=
for candidate in ${CLANG_FORMAT:-} clang-format-$judge clang-format; do
	if "$candidate" --version 2>/dev/null | grep -q "version $judge\\."; then
		tool=$candidate
		break
	fi
done
if [ -z "$tool" ]; then
	echo "skipped: clang-format $judge is not installed"
	exit 77
fi
mapfile -t files < <(git ls-files -- '*.c' '*.h')
[ ${#files[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --fix ]; then
	exec "$tool" -i "${files[@]}"
fi
bad=0
for file in "${files[@]}"; do
	if ! "$tool" --dry-run -Werror "$file" 2>/dev/null; then
		echo "$file: not formatted"
		bad=1
	fi
done
[ $bad = 0 ] || echo "devtools/check-format.sh --fix formats them"
exit $bad
