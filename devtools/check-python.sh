#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Are the Python files formatted by black and clean for flake8? With --fix, black formats them.
# pyproject.toml and .flake8 hold the settings. Other releases of black format differently, so only
# the release of Debian 12 decides.
set -u
cd "$(dirname "$0")/.." || exit 1
release=23

mapfile -t files < <(
	git ls-files -- '*.py'
	git grep -lE '^#!.*python' -- . ':!*.py' ':!*.md'
)
[ ${#files[@]} -gt 0 ] || { echo "git lists no Python files here"; exit 1; }
command -v black >/dev/null || { echo "black is not installed"; exit 77; }
command -v flake8 >/dev/null || { echo "flake8 is not installed"; exit 77; }

if [ "${1:-}" = --fix ]; then
	black -q "${files[@]}"
	exit
fi
bad=0
flake8 "${files[@]}" || bad=1
version=$(black --version | sed -n 's/^black, \([0-9]*\).*/\1/p')
if [ "$version" != "$release" ]; then
	echo "formatting is not checked: black $version, not $release"
	[ $bad = 1 ] && exit 1
	exit 77
fi
if ! black -q --check "${files[@]}"; then
	black --check "${files[@]}" 2>&1 | grep '^would reformat'
	echo "devtools/check-python.sh --fix formats them"
	bad=1
fi
exit $bad
