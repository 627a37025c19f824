#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Install missing packages, build and run tests: devtools/test.sh --help
set -u

devtools=$(cd "$(dirname "$0")" && pwd) || exit 1
if ! command -v python3 >/dev/null; then
	# shellcheck source=devtools/packages.sh
	. "$devtools/packages.sh"
	install_packages build || exit 1
fi
exec python3 "$devtools/run_tests.py" "$@"
