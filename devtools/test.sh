#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
set -u -o pipefail

usage() {
	cat <<'USAGE'
Usage: devtools/test.sh [OPTION]...
Installs what is missing, builds, and runs all the tests. The last line says how many
passed and failed; the exit status is 0 only when some passed and none failed.

  --only PART[,PART]   only these parts, in the order below (may be repeated):
                         style   format, headers, files, layers: devtools/check-*.sh
                         gcc     release build; suites unit, stress, system
                         clang   build, warnings are errors; unit
                         asan    AddressSanitizer and UBSan; unit, stress, system
                         tsan    ThreadSanitizer; unit, stress, system
                         fuzz    each target of test/fuzz for a bounded time
                         guest   real Linux guests in QEMU, with the build of gcc
  --suites SUITE[,SUITE]
                       these suites of meson test, instead of the ones above, in each of
                       gcc, clang, asan and tsan that is wanted
  --suite-seconds N    limit for one suite (default 300 to 600)
  --repeat N           run each suite N times over
  --build-root DIR     where the builds go (default: build-test in the checkout)
  --fuzz-seconds N     time for each fuzz target (default 20)
  --lines N            of each failing test's log to show (default 60)
  --no-packages        install nothing
  -h, --help
USAGE
}

root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
all_parts='style gcc clang asan tsan fuzz guest'
build_root=$root/build-test
fuzz_seconds=20
lines=60
packages=1
suite_seconds=
repeat=1
only=()
suites=()

while [ $# -gt 0 ]; do
	case $1 in
	--only | --suites | --suite-seconds | --repeat | --build-root | --fuzz-seconds | --lines)
		[ $# -ge 2 ] || { echo "test.sh: $1 needs a value" >&2; exit 2; }
		case $1 in
		--only) IFS=, read -ra values <<<"$2"; only+=("${values[@]}") ;;
		--suites) IFS=, read -ra values <<<"$2"; suites+=("${values[@]}") ;;
		--suite-seconds) suite_seconds=$2 ;;
		--repeat) repeat=$2 ;;
		--build-root) build_root=$2 ;;
		--fuzz-seconds) fuzz_seconds=$2 ;;
		--lines) lines=$2 ;;
		esac
		shift 2
		;;
	--no-packages) packages=; shift ;;
	-h | --help) usage; exit 0 ;;
	*) echo "test.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	esac
done
for part in "${only[@]}"; do
	[[ " $all_parts " == *" $part "* ]] || { echo "test.sh: no part $part" >&2; exit 2; }
done
[ ${#only[@]} -gt 0 ] || read -ra only <<<"$all_parts"
for value in "$fuzz_seconds" "$lines" "$repeat" "${suite_seconds:-1}"; do
	[[ $value =~ ^[1-9][0-9]*$ ]] || { echo "test.sh: not a number: $value" >&2; exit 2; }
done

# shellcheck source=devtools/packages.sh
. "$root/devtools/packages.sh"
nb_cpus=$(nproc)
nb_passed=0
nb_failed=0
nb_skipped=0
failures=()
declare -A broken=() # builds that failed: their tests cannot run

wanted() {
	local part
	for part in "${only[@]}"; do
		[ "$part" = "$1" ] && return 0
	done
	return 1
}

say() {
	printf '[%4ds] %s\n' "$SECONDS" "$*"
}

# account PASSED FAILED SKIPPED
account() {
	nb_passed=$((nb_passed + $1))
	nb_failed=$((nb_failed + $2))
	nb_skipped=$((nb_skipped + $3))
}

# fail WHAT: one failure, named again at the end
fail() {
	account 0 1 0
	failures+=("$1")
}

finish() {
	say "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
	[ ${#failures[@]} = 0 ] || printf 'failed: %s\n' "${failures[@]}"
	[ $((nb_passed + nb_failed)) -gt 0 ] || echo "no test ran"
	if [ "$nb_skipped" -gt 0 ]; then
		echo "$nb_passed passed, $nb_failed failed, $nb_skipped skipped"
	else
		echo "$nb_passed passed, $nb_failed failed"
	fi
	[ "$nb_failed" = 0 ] && [ "$nb_passed" -gt 0 ]
	exit
}

show_tail() {
	tail -n "$lines" "$1" | sed 's/^/    /'
}

# ---- packages ----

needed_packages() {
	echo build
	if wanted clang || wanted fuzz || wanted style; then echo clang; fi
	if wanted style; then echo style; fi
	if wanted guest; then echo guest; fi
	if [ "${only[*]}" != style ]; then echo test; fi
}

# ---- builds ----

# The options of a build. A list of peers to compare with has no place in instrumented builds.
setup_args() {
	case $1 in
	gcc) echo --buildtype=release ;;
	clang) echo --native-file "$root/config/clang.ini" ;;
	asan) echo --native-file "$root/config/asan-ubsan.ini" -Dbench_peers=disabled ;;
	tsan) echo --native-file "$root/config/tsan.ini" -Dbench_peers=disabled ;;
	fuzz) echo --native-file "$root/config/fuzz.ini" -Dfuzz=true -Dbench_peers=disabled ;;
	esac
}

# Configures build $1 unless it is configured already with the same options and tools.
setup_build() {
	local dir=$build_root/$1 stamp args
	read -ra args < <(setup_args "$1")
	stamp=$(
		echo "$root: ${args[*]}"
		cat "$root"/config/*.ini "$root/meson_options.txt"
		gcc --version | head -n 1
		meson --version
		pkg-config --modversion libdpdk
	)
	if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/setup.stamp" 2>/dev/null)" = "$stamp" ]; then
		return 0
	fi
	rm -rf "$dir"
	CC=${CC:-gcc} meson setup "${args[@]}" "$dir" "$root" && echo "$stamp" >"$dir/setup.stamp"
}

build_failed() {
	broken[$1]=1
	fail "$1: $2"
	say "$1: $2 failed"
	grep -aE '(error|ERROR|FAILED|undefined reference)[: ]' "$3" | head -n 20 | sed 's/^/    /'
	show_tail "$3"
}

# The set-ups are single-threaded, so all at once; the compilers fill the CPUs, so one by one.
build_all() {
	local name start
	local -A pids=()
	for name in "$@"; do
		setup_build "$name" >"$build_root/$name.setup.log" 2>&1 &
		pids[$name]=$!
	done
	for name in "$@"; do
		wait "${pids[$name]}" ||
			build_failed "$name" 'meson setup' "$build_root/$name.setup.log"
	done
	for name in "$@"; do
		[ -z "${broken[$name]:-}" ] || continue
		start=$SECONDS
		if ninja -C "$build_root/$name" >"$build_root/$name.build.log" 2>&1; then
			say "$name: built ($((SECONDS - start)) s)"
		else
			build_failed "$name" build "$build_root/$name.build.log"
		fi
	done
}

# ---- tests ----

# Reports of the sanitizers end the process by SIGABRT, so that no expected exit status hides them,
# and go to its standard error.
sanitizer_env() {
	local common=halt_on_error=1:abort_on_error=1:disable_coredump=1
	case $1 in
	asan)
		echo "ASAN_OPTIONS=$common:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
		echo "UBSAN_OPTIONS=$common:print_stacktrace=1"
		;;
	tsan)
		echo "TSAN_OPTIONS=$common:second_deadlock_stack=1:suppressions=$root/config/tsan.supp"
		;;
	esac
}

# Where the kernel spreads mappings wider than the sanitizers' layouts allow, spread less.
personality() {
	local bits
	bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
	if [ "$bits" -gt 28 ] && setarch -R true 2>/dev/null; then
		echo setarch -R
	fi
}

# Unit and system tests run side by side; the others have threads of their own for every CPU, and run
# one by one.
# run_suite BUILD SUITE
run_suite() {
	local name=$1 suite=$2 dir=$build_root/$1 start=$SECONDS factor=1 counts status
	local log=$dir/meson-logs/suite-$2 env=() prefix=() nb_procs=1 limit=600

	case $suite in
	unit) nb_procs=$nb_cpus limit=420 ;;
	stress) limit=600 ;;
	system) nb_procs=$((nb_cpus + 3)) limit=900 ;; # they wait for most of their time
	guest) limit=900 ;;
	esac
	limit=${suite_seconds:-$limit}

	if [ -n "${broken[$name]:-}" ]; then
		say "$name: $suite not run: the build failed"
		return
	fi
	# The build of gcc plays the full length.
	case $name in
	asan | tsan)
		factor=4
		mapfile -t env < <(sanitizer_env "$name"; echo STRESS_SECONDS=2)
		read -ra prefix < <(personality)
		;;
	esac
	rm -f "$log.json"
	env "${env[@]}" timeout --foreground -k 30 "$limit" "${prefix[@]}" meson test -C "$dir" --suite "$suite" \
		--logbase "suite-$suite" --num-processes "$nb_procs" \
		--timeout-multiplier "$factor" --repeat "$repeat" \
		>"$log.out" 2>&1 </dev/null
	status=$?
	if [ ! -s "$log.json" ]; then
		fail "$name: $suite: no test ran"
		say "$name: $suite: no test ran"
		show_tail "$log.out"
		return
	fi
	counts=$("$root/devtools/testlog.py" --lines "$lines" "$log.json" 2>"$log.report") ||
		counts='0 1 0'
	read -r passed failed skipped <<<"$counts"
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		failed=$((failed + 1))
		echo "  $suite did not end within $limit s" >>"$log.report"
	elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
		failed=1
		tail -n "$lines" "$log.out" >>"$log.report"
	fi
	account "$passed" "$failed" "$skipped"
	say "$name: $suite: $passed passed, $failed failed, $skipped skipped ($((SECONDS - start)) s)"
	cat "$log.report"
	mapfile -t -O ${#failures[@]} failures < <(
		sed -nE "s/^  ([^ ].*): [A-Z]+, exit status .*/$name: \\1/p" "$log.report"
	)
}

run_style() {
	local check log start status
	for check in "$root"/devtools/check-*.sh; do
		start=$SECONDS
		log=$build_root/$(basename "$check" .sh).log
		"$check" >"$log" 2>&1 </dev/null
		status=$?
		case $status in
		0) account 1 0 0; say "style: $(basename "$check"): passed ($((SECONDS - start)) s)" ;;
		77) account 0 0 1; say "style: $(basename "$check"): $(tail -n 1 "$log")" ;;
		*)
			fail "style: $(basename "$check")"
			say "style: $(basename "$check"): failed"
			show_tail "$log"
			;;
		esac
	done
}

# fuzz_target EXECUTABLE: what it finds new goes to the build folder, not to the tracked corpus.
fuzz_target() {
	local name dir=$build_root/fuzz/run seeds
	name=$(basename "$1")
	seeds=$root/test/fuzz/corpus/$name
	mkdir -p "$dir/$name"
	set -- "$1" "$dir/$name"
	[ ! -d "$seeds" ] || set -- "$@" "$seeds"
	env ASAN_OPTIONS=abort_on_error=1:disable_coredump=1 UBSAN_OPTIONS=print_stacktrace=1 \
		timeout -k 10 $((fuzz_seconds + 120)) "$1" -max_total_time="$fuzz_seconds" -timeout=25 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$dir/$name-" "${@:2}" \
		>"$dir/$name.log" 2>&1 </dev/null
}

run_fuzz() {
	local dir=$build_root/fuzz target name running=0 status start=$SECONDS
	local -a targets
	local -A pids=()

	if [ -n "${broken[fuzz]:-}" ]; then
		say "fuzz: not run: the build failed"
		return
	fi
	mapfile -t targets < <(find "$dir/test/fuzz" -maxdepth 1 -name 'fuzz_*' -type f -perm -u+x | sort)
	if [ ${#targets[@]} = 0 ]; then
		fail "fuzz: no target"
		say "fuzz: no target"
		return
	fi
	mkdir -p "$dir/run"
	for target in "${targets[@]}"; do
		name=$(basename "$target")
		rm -f "$dir/run/$name.status"
		if [ "$running" -ge "$nb_cpus" ]; then
			wait -n
			running=$((running - 1))
		fi
		{ fuzz_target "$target"; echo $? >"$dir/run/$name.status"; } &
		pids[$name]=$!
		running=$((running + 1))
	done
	wait "${pids[@]}"
	for target in "${targets[@]}"; do
		name=$(basename "$target")
		status=$(cat "$dir/run/$name.status" 2>/dev/null || echo '?')
		if [ "$status" = 0 ]; then
			account 1 0 0
			say "fuzz: $name: passed, $(sed -n 's/^stat::number_of_executed_units: *//p' \
				"$dir/run/$name.log") inputs"
		else
			fail "fuzz: $name"
			say "fuzz: $name: failed, exit status $status"
			show_tail "$dir/run/$name.log"
		fi
	done
	say "fuzz: ${#targets[@]} targets ($((SECONDS - start)) s)"
}

# ---- main ----

trap 'exit 130' INT TERM
if [ -n "$packages" ]; then
	mapfile -t groups < <(needed_packages)
	if ! install_packages "${groups[@]}"; then
		fail 'packages'
		finish
	fi
fi
mkdir -p "$build_root" && build_root=$(cd "$build_root" && pwd) || exit 1

say "DPDK $(pkg-config --modversion libdpdk), $(gcc --version | head -n 1), $nb_cpus CPUs"

builds=()
if wanted gcc || wanted guest; then builds+=(gcc); fi
for part in clang asan tsan fuzz; do
	if wanted $part; then builds+=("$part"); fi
done

if wanted style; then run_style; fi
[ ${#builds[@]} = 0 ] || build_all "${builds[@]}"
for part in gcc clang asan tsan; do
	wanted $part || continue
	part_suites=(unit stress system)
	[ $part != clang ] || part_suites=(unit)
	[ ${#suites[@]} = 0 ] || part_suites=("${suites[@]}")
	for suite in "${part_suites[@]}"; do
		run_suite $part "$suite"
	done
done
if wanted fuzz; then run_fuzz; fi
if wanted guest; then run_suite gcc guest; fi
finish
