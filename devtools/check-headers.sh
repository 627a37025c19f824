#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Does each header of the libraries and programs compile alone, without warnings, with gcc and clang?
# Has each prototype of every header a comment?
# Headers of lib/wq and lib/vfe do so without DPDK: the libraries stand on their own.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "$(git ls-files)" ] || { echo "git lists no files here"; exit 1; }

read -ra dpdk < <(pkg-config --cflags libdpdk jansson) || exit 1
dpdk=("${dpdk[@]/#-I/-isystem}")
warnings=(-std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wundef -Werror)
compilers=()
for cc in gcc clang; do
	command -v $cc >/dev/null && compilers+=("$cc")
done
if [ ${#compilers[@]} = 0 ]; then
	echo "no compiler"
	exit 1
fi

bad=0
while read -r header; do
	flags=(-I. -Ilib/wq -iquote config)
	case $header in
	lib/wq/*) ;;
	lib/vfe/*) flags+=(-Ilib/vfe -I"$(dirname "$header")") ;;
	drivers/*) flags+=(-Idrivers/vsock "${dpdk[@]}") ;;
	*) flags+=(-Idrivers/vsock -Ilib/vfe -I"$(dirname "$header")" "${dpdk[@]}") ;;
	esac
	for cc in "${compilers[@]}"; do
		# Included twice: the guard is part of the check.
		if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
			"$cc" -x c -fsyntax-only "${warnings[@]}" "${flags[@]}" -; then
			echo "$header does not compile alone ($cc)"
			bad=1
		fi
	done
done < <(git ls-files -- 'lib/*.h' 'drivers/*.h' 'app/*.h')

python3 - <<'PY' || bad=1
import re
import subprocess
import sys

COMMENT = re.compile(r'/\*.*?\*/', re.DOTALL)
PROTOTYPE = re.compile(
    r'^(?!typedef|return|#|_Static_assert)[A-Za-z_][\w *]*[ *](\w+)\([^{;]*\)[^{;]*;', re.MULTILINE
)
bad = 0
names = subprocess.check_output(['git', 'ls-files', '-z', '--', '*.h'], text=True)
for name in names.split('\0')[:-1]:
    with open(name, encoding='utf-8') as file:
        code = COMMENT.sub('\1', file.read())
    for match in PROTOTYPE.finditer(code):
        before = code[: match.start()]
        if before.count('{') == before.count('}') and not before.rstrip('\n').endswith('\1'):
            print(f'{name}: {match.group(1)}() has no comment')
            bad = 1
sys.exit(bad)
PY
exit $bad
