#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u

usage() {
	cat <<'USAGE'
Usage: devtools/test-long.sh [OPTION]... [-- TEST-OPTION...]
The tests that take longer than devtools/test.sh may: the suite "long" in the builds gcc, asan and
tsan, the suite "stress" several times over, and the fuzzers for minutes. About two hours with the
defaults. The test options go to devtools/test.sh, whose last line and exit status stand.

  --torture-seconds N   of lib/wq's torture (default 10)
  --torture-threads N   in it (default 24)
  --verify-seconds N    of each scenario of dpdk-vsock-pktgen --verify (default 600)
  --fuzz-seconds N      for each target of test/fuzz (default 600)
  --transitions N       of ports from polling to kicks and back, in the stress test of idle ports
                        (default 10000000; under a sanitizer a tenth of it)
  --repeat N            runs of the suite stress (default 10)
  -h, --help

The tests of the suite "long" take their part from the environment: TORTURE_SECONDS,
TORTURE_THREADS, VERIFY_SECONDS, STRESS_TRANSITIONS.
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
torture_seconds=10
torture_threads=24
verify_seconds=600
fuzz_seconds=600
transitions=10000000
repeat=10
while [ $# -gt 0 ]; do
	case $1 in
	--torture-seconds | --torture-threads | --verify-seconds | --fuzz-seconds | \
		--transitions | --repeat)
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "test-long.sh: $1 needs a number" >&2; exit 2; }
		name=${1#--}
		declare "${name//-/_}=$2"
		shift 2
		;;
	--) shift; break ;;
	-h | --help) usage; exit 0 ;;
	*) echo "test-long.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done

export TORTURE_SECONDS=$torture_seconds TORTURE_THREADS=$torture_threads
export VERIFY_SECONDS=$verify_seconds
"$root/devtools/test.sh" --only gcc,asan,tsan --suites stress --repeat "$repeat" \
	--suite-seconds $((repeat * 420)) "$@"
stress=$?
# Only here: the suite stress plays for a time, not for a number.
export STRESS_TRANSITIONS=$transitions
"$root/devtools/test.sh" --only gcc,asan,tsan,fuzz --suites long --fuzz-seconds "$fuzz_seconds" \
	--suite-seconds 14400 "$@"
long=$?
[ $stress = 0 ] || echo "the suite stress failed, see above"
[ $stress = 0 ] && [ $long = 0 ]
