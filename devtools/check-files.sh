#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rules for each tracked text file: an SPDX line, no path of the machine it was written on,
# no white space at line ends; scripts parse. No binary file is tracked.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "$(git ls-files)" ] || { echo "git lists no files here"; exit 1; }
root=$PWD
bad=0

complain() {
	echo "$1"
	bad=1
}

# Text that carries a licence line; data, documents and the licence itself do not.
while read -r file; do
	case $file in
	*.c | *.h | *.py | *.sh | *.build | meson_options.txt | *.ini | *.supp | *.service | *.pml | .ci/*) ;;
	*)
		case $(head -c 2 "$file") in '#!') ;; *) continue ;; esac
		;;
	esac
	head -n 5 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
		complain "$file: no SPDX line"
	if [ "$(head -c 2 "$file")" = '#!' ] && [ ! -x "$file" ]; then
		complain "$file: has an interpreter line and is not executable"
	fi
done < <(git ls-files)

# The checkout itself, homes, and a top-level folder that no standard system has.
before='(^|[^[:alnum:]_./}$-])'
machine="/(home|Users)/[[:alnum:]_]|$before/root/"
top=${root#/}
top=${top%%/*}
standard=' bin boot builds dev etc home lib media mnt opt proc root run sbin srv sys tmp usr var '
[[ $standard == *" $top "* ]] || machine+="|$before/$top/"
# This file holds the patterns.
if git grep -nIE "$machine" -- . ':!devtools/check-files.sh'; then
	complain "absolute paths of a machine"
fi
if [ "$(dirname "$root")" != / ] && git grep -nIF "$root/" -- .; then
	complain "the path of this checkout"
fi

if git grep -nIE '[[:blank:]]+$' -- . ':!*.md' ':!*.patch' ':!LICENSE'; then
	complain "white space at line ends"
fi

mapfile -t shell < <(git grep -lIE '^#!.*[/ ](ba)?sh\b|shellcheck shell=' -- '*.sh' .ci devtools)
for file in "${shell[@]}"; do
	bash -n "$file" || complain "$file: does not parse"
done
if command -v shellcheck >/dev/null && [ ${#shell[@]} -gt 0 ]; then
	shellcheck -x -S warning "${shell[@]}" || complain "shellcheck"
fi

python3 - <<'PY' || bad=1
import subprocess
import sys

bad = 0
# Only pictures and the inputs of the fuzzers are binary.
every = ['git', 'ls-files', '-z', '--', '.', ':!*.png', ':!test/fuzz/corpus/*']
for name in subprocess.check_output(every, text=True).split('\0')[:-1]:
    with open(name, 'rb') as file:
        if b'\0' in file.read():
            print(f'{name}: a binary file')
            bad = 1
names = subprocess.check_output(['git', 'ls-files', '-z', '--', '*.py', '*.c', '*.h'], text=True)
for name in names.split('\0')[:-1]:
    with open(name, encoding='utf-8') as source:
        text = source.read()
    if name.endswith('.py'):
        try:
            compile(text, name, 'exec')
        except SyntaxError as error:
            print(f'{name}: {error}')
            bad = 1
    for number, line in enumerate(text.splitlines(), 1):
        columns = len(line.expandtabs(8))
        if columns > 100:
            print(f'{name}:{number}: {columns} columns')
            bad = 1
sys.exit(bad)
PY
exit $bad
