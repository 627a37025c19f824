#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Do the files and functions that documents and comments name exist? See references.py.
set -u
exec python3 "$(dirname "$0")/references.py" "$@"
