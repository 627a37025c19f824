#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom: lib/wq nothing of DPDK, drivers or app; drivers nothing of app.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "$(git ls-files)" ] || { echo "git lists no files here"; exit 1; }
bad=0

headers_of() {
	git ls-files -- "$1/*.h" | sed 's|.*/||' | paste -sd '|' | sed 's/\./\\./g'
}

# refuse FOLDER PATTERN WHY: no file of the folder, its tests aside, includes what matches.
refuse() {
	if git grep -nE "^[[:blank:]]*#[[:blank:]]*include[[:blank:]]*[<\"]([^\">]*/)?($2)[\">]" \
		-- "$1/*.c" "$1/*.h" ":!$1/test"; then
		echo "$1 includes $3"
		bad=1
	fi
}

drivers=$(headers_of drivers)
app=$(headers_of app)
refuse lib/wq 'rte_[a-z0-9_]*\.h' 'headers of DPDK'
[ -z "$drivers" ] || refuse lib/wq "$drivers" 'headers of drivers'
[ -z "$app" ] || refuse lib/wq "$app" 'headers of app'
[ -z "$app" ] || refuse drivers "$app" 'headers of app'
exit $bad
