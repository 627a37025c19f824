#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Build the project and run its tests: the program behind devtools/test.sh.

All builds, tests, checks and fuzzers are jobs of one queue (jobs.py). A build's tests start as soon
as it is built.
"""

import fnmatch
import functools
import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import affected
import builds
import jobs
import test_options
import testlog

ROOT = builds.ROOT
PARTS = test_options.PARTS
DEFAULT_SUITES = {"gcc": ["unit", "system"], "asan": ["unit", "system"], "guest": ["guest"]}
FULL_SUITES = {
    "gcc": ["unit", "model", "system", "stress", "service"],
    "clang": ["unit"],
    "asan": ["unit", "system", "stress"],
    "tsan": ["unit", "system", "stress"],
    "guest": ["guest"],
}
FULL_LIMIT_S = 85 * 60  # of a run with --full
PROGRESS_S = 60
SKIPPED = 77  # exit status of a test or check that cannot run here
NB_SLOWEST = 10
# The load of tests that run beside each other: the timeouts of meson.build are for a free machine.
TIMEOUT_FACTOR = {"gcc": 3, "clang": 3, "asan": 6, "tsan": 6}
BUILD_LIMIT_S = 1800
FUZZ_SPARE_S = 300  # for a fuzz target to start and to end
# The CPUs that one test uses (measured: CPU seconds by seconds), where not 1.
WEIGHTS = {"unit": 0.7, "system": 0.4, "guest": 0.7, "model": 1, "stress": 1, "service": 1.5}
# The longest tests start first.
LONG = ("system_credit", "system_switch", "system_close", "system_chains", "pktgen", "vhost_glue")
# The tests that measure time, by shell patterns.
QUIET = ("stress_idle*", "wq_bench")

PACKAGES = {
    "style": ["style", "clang"],
    "clang": ["clang", "test"],
    "fuzz": ["clang"],
    "guest": ["guest", "test"],
    "gcc": ["test"],
    "asan": ["test"],
    "tsan": ["test"],
}


class Run:
    """One run: the queue, the plan, and the results."""

    def __init__(self, options):
        self.options = options
        self.start = time.monotonic()
        nb_cpus = len(os.sched_getaffinity(0))
        self.queue = jobs.Queue(nb_cpus, nb_cpus + 0.5)
        self.queue.on_tick = self.on_tick
        self.build_root = os.path.abspath(options.build_root)
        self.logs = f"{self.build_root}/logs"
        self.suites = {}  # (part, suite): Suite
        self.builds = {}  # name: the job that builds it
        self.counts = [0, 0, 0]  # passed, failed, skipped
        self.failures = []
        self.slowest = []  # (seconds, cpu, name)
        self.selected = None  # affected.Selection of --changed
        self.next_progress = PROGRESS_S
        self.limit_s = FULL_LIMIT_S if options.full else None

    def say(self, text):
        print(f"[{time.monotonic() - self.start:4.0f}s] {text}", flush=True)

    def account(self, counts):
        self.counts = [a + b for a, b in zip(self.counts, counts)]

    def fail(self, what):
        self.account([0, 1, 0])
        self.failures.append(what)

    # ---- what to run ----

    def plan(self):
        """Returns {part: suites} of the wanted parts."""
        options = self.options
        suites = FULL_SUITES if options.full or options.only else DEFAULT_SUITES
        parts = PARTS if options.full else ("style", "gcc", "asan", "guest")
        if options.changed is not None:
            self.selected = affected.Selection(ROOT, options.changed)
            self.say(f"changed since {self.selected.base}: {len(self.selected.files)} files")
            suites = FULL_SUITES
            parts = [part for part in PARTS if self.selected.has_part(part)]
        parts = options.only or parts
        plan = {}
        for part in PARTS:
            if part not in parts:
                continue
            plan[part] = list(suites.get(part, []))
            if options.suites and part in ("gcc", "clang", "asan", "tsan"):
                plan[part] = options.suites
        return plan

    def install_packages(self, plan):
        groups = {"build"}.union(*(PACKAGES[part] for part in plan))
        command = f'. "{ROOT}/devtools/packages.sh" && install_packages "$@"'
        if self.options.no_packages:
            return True
        return subprocess.run(["bash", "-c", command, "bash", *sorted(groups)]).returncode == 0

    def run(self):
        plan = self.plan()
        if not self.install_packages(plan):
            self.fail("packages")
            return
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)
        version = functools.partial(subprocess.check_output, text=True)
        self.say(
            f"DPDK {version(['pkg-config', '--modversion', 'libdpdk']).strip()},"
            f" {version(['gcc', '--version']).splitlines()[0]}, {self.queue.nb_cpus} CPUs"
        )
        for rank, name in enumerate(builds.NAMES):
            if name in plan or (name == "gcc" and "guest" in plan):
                self.add_build(builds.Build(name, self.build_root), rank, plan)
        if "style" in plan:
            self.add_style()
        self.queue.run()

    # ---- jobs ----

    def add_build(self, build, rank, plan):
        """Adds the set-up and the compilation of a build, which adds its tests."""
        options = {"background": True, "env": build.environment()}
        needs = []
        if not build.is_configured():
            needs.append(
                self.queue.add(
                    jobs.Job(
                        f"{build.name}: meson setup",
                        build.setup_command(),
                        f"{self.logs}/build/{build.name}-setup",
                        priority=1000 - rank,
                        on_end=functools.partial(self.end_setup, build),
                        **options,
                    )
                )
            )
        self.builds[build.name] = self.queue.add(
            jobs.Job(
                f"{build.name}: build",
                ["ninja", "-C", build.folder, *build.targets()],
                f"{self.logs}/build/{build.name}",
                priority=900 - rank,
                weight=self.queue.nb_cpus,
                timeout=BUILD_LIMIT_S,
                needs=needs,
                on_end=functools.partial(self.end_compile, build, plan),
                **options,
            )
        )

    def end_setup(self, build, job):
        self.end_build(job)
        if job.status == 0:
            build.set_configured()

    def end_compile(self, build, plan, job):
        self.end_build(job)
        if job.status == 0:
            if build.name == "fuzz":
                self.add_fuzz(build)
            else:
                self.add_tests(build, plan)

    def end_build(self, job):
        if job.status == 0:
            self.say(f"{job.name}: done ({job.seconds:.0f} s, CPU {job.cpu:.0f} s)")
            return
        self.fail(job.name)
        self.say(f"{job.name}: failed{': ' + job.reason if job.reason else ''}")
        text = job.output("out") + job.output("err")
        important = re.findall(r"^.*(?:error|ERROR|FAILED|undefined reference)[: ].*", text, re.M)
        print("".join(f"    {line}\n" for line in important[:20]), end="")
        print(testlog.tail(text, self.options.lines), end="")

    def add_tests(self, build, plan):
        """Adds the wanted tests of a build."""
        wanted = {suite: build.name for suite in plan.get(build.name, [])}
        if build.name == "gcc":
            wanted.update({suite: "guest" for suite in plan.get("guest", [])})
        output = subprocess.check_output(
            ["meson", "introspect", "--tests", build.folder], text=True
        )
        prefix = build.test_prefix()
        for test in json.loads(output):
            for label in test["suite"]:
                suite = label.split(":")[-1]
                part = wanted.get(suite)
                if part and (not self.selected or self.selected.has(part, suite, test["name"])):
                    for number in range(self.options.repeat):
                        self.add_test(part, build, suite, test, number, prefix)
        for suite, part in wanted.items():
            if (part, suite) not in self.suites and not self.selected:
                self.fail(f"{part}: {suite}: no test")

    def add_test(self, part, build, suite, test, number, prefix):
        name = test["name"] + (f"#{number + 1}" if number else "")
        is_parallel = test["is_parallel"]
        quiet = any(fnmatch.fnmatch(test["name"], pattern) for pattern in QUIET)
        chain = None if is_parallel else ("guest" if suite == "guest" else "serial")
        environment = {
            # As meson test sets them.
            "MALLOC_PERTURB_": str(random.randint(1, 255)),
            "MESON_TEST_ITERATION": str(number + 1),
            **builds.ENVIRONMENT.get(build.name, {}),
            **test["env"],
        }
        job = jobs.Job(
            f"{part}: {name}",
            prefix + test["cmd"],
            f"{self.logs}/{part}-{suite}/{name}",
            env=environment,
            cwd=test["workdir"] or build.folder,
            timeout=test["timeout"] * TIMEOUT_FACTOR[build.name],
            weight=WEIGHTS.get(suite, 1),
            background=suite == "model",
            chain=chain,
            quiet=quiet,
            priority=priority(test, chain, quiet),
            on_end=functools.partial(self.end_test, part, suite, name),
        )
        self.suites.setdefault((part, suite), Suite()).jobs.append(job)
        self.queue.add(job)

    def add_style(self):
        for script in sorted(glob.glob(f"{ROOT}/devtools/check-*.sh")):
            name = os.path.basename(script)
            argv, needs = [script], []
            if name == "check-layers.sh" and "gcc" in self.builds:
                argv, needs = [script, f"{self.build_root}/gcc"], [self.builds["gcc"]]
            job = jobs.Job(
                f"style: {name}",
                argv,
                f"{self.logs}/style/{name}",
                needs=needs,
                priority=500,
                on_end=functools.partial(self.end_test, "style", "checks", name),
            )
            self.suites.setdefault(("style", "checks"), Suite()).jobs.append(job)
            self.queue.add(job)

    def add_fuzz(self, build):
        """New inputs of the fuzzers go to the build folder, not to the tracked corpus."""
        folder = build.folder
        seconds = self.options.fuzz_seconds
        for target in build.targets():
            name = os.path.basename(target)
            found = f"{folder}/run/{name}"
            os.makedirs(found, exist_ok=True)
            corpus = f"{ROOT}/test/fuzz/corpus/{name}"
            job = jobs.Job(
                f"fuzz: {name}",
                [
                    f"{folder}/{target}",
                    f"-max_total_time={seconds}",
                    "-timeout=25",
                    "-rss_limit_mb=2048",
                    "-print_final_stats=1",
                    f"-artifact_prefix={folder}/run/{name}-",
                    found,
                    *([corpus] if os.path.isdir(corpus) else []),
                ],
                f"{self.logs}/fuzz/{name}",
                env=builds.ENVIRONMENT["fuzz"],
                timeout=seconds + FUZZ_SPARE_S,
                background=True,
                on_end=functools.partial(self.end_test, "fuzz", "fuzz", name),
            )
            self.suites.setdefault(("fuzz", "fuzz"), Suite()).jobs.append(job)
            self.queue.add(job)
        if ("fuzz", "fuzz") not in self.suites:
            self.fail("fuzz: no target")

    # ---- results ----

    def end_test(self, part, suite, name, job):
        state = self.suites[part, suite]
        test = {
            "name": name,
            "result": result(job),
            "returncode": job.status,
            "duration": job.seconds,
            "cpu": job.cpu,
            "stdout": job.output("out"),
            "stderr": job.output("err"),
        }
        with open(f"{self.logs}/{part}-{suite}.json", "a", encoding="utf-8") as log:
            log.write(json.dumps(test) + "\n")
        counts = testlog.count(test)
        state.counts = [a + b for a, b in zip(state.counts, counts)]
        state.cpu += job.cpu
        self.account(counts)
        self.slowest.append((job.seconds, job.cpu, f"{part}: {name}"))
        if counts[1] or counts[2]:
            self.say(f"{part}: {name}: {'failed' if counts[1] else 'skipped'}")
            testlog.report(test, counts, self.options.lines, sys.stdout)
            if job.reason:
                print(f"   {job.reason}")
        if counts[1]:
            self.failures.append(f"{part}: {name}")
        if all(j.is_done for j in state.jobs):
            self.say(f"{part}: {suite}: {state}")

    def on_tick(self):
        elapsed = time.monotonic() - self.start
        if self.options.suite_seconds:
            for state in self.suites.values():
                if state.seconds() > self.options.suite_seconds:
                    reason = f"the suite did not end within {self.options.suite_seconds} s"
                    self.queue.cancel(lambda job, state=state: job in state.jobs, reason)
        if self.limit_s and elapsed > self.limit_s:
            self.queue.cancel(lambda job: True, f"the run did not end within {self.limit_s} s")
        if elapsed >= self.next_progress:
            self.next_progress = elapsed + PROGRESS_S
            running = ", ".join(f"{j.name} ({j.seconds:.0f} s)" for j in self.queue.running)
            nb_left = len(self.queue.waiting) + len(self.queue.running)
            self.say(f"{self.queue.nb_done} jobs done, {nb_left} left; running: {running}")

    def report(self):
        """Prints the summary; returns the exit status."""
        passed, failed, skipped = self.counts
        print("slowest tests:")
        for seconds, cpu, name in sorted(self.slowest, reverse=True)[:NB_SLOWEST]:
            print(f"  {seconds:6.1f} s, CPU {cpu:6.1f} s  {name}")
        print("CPU seconds:")
        for name, build in self.builds.items():
            print(f"  {build.cpu:6.0f}  {name}: build")
        for (part, suite), state in self.suites.items():
            print(f"  {state.cpu:6.0f}  {part}: {suite}")
        seconds = time.monotonic() - self.start
        self.say(f"took {seconds // 60:.0f} min {seconds % 60:.0f} s")
        for failure in self.failures:
            print(f"failed: {failure}")
        if passed + failed == 0:
            print("no test ran")
        print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
        return 0 if passed and not failed else 1


class Suite:
    """The tests of one suite in one part."""

    def __init__(self):
        self.jobs = []
        self.counts = [0, 0, 0]
        self.cpu = 0.0

    def seconds(self):
        started = [j.started for j in self.jobs if j.started is not None]
        if not started or all(j.is_done for j in self.jobs):
            return 0
        return time.monotonic() - min(started)

    def __str__(self):
        passed, failed, skipped = self.counts
        return f"{passed} passed, {failed} failed, {skipped} skipped (CPU {self.cpu:.0f} s)"


def result(job):
    """The word that meson's log has for the end of a test."""
    if job.status is None or job.reason:
        return "TIMEOUT"
    return {0: "OK", SKIPPED: "SKIP"}.get(job.status, "FAIL")


def priority(test, chain, quiet):
    """The serial tests start first, since they take longest in all; quiet ones when less runs."""
    if quiet:
        return 0
    if chain:
        return 200
    return 100 + test["priority"] + (50 if test["name"] in LONG else 0)


def interrupt(number, _frame):
    raise KeyboardInterrupt(number)


def main():
    run = Run(test_options.parse(sys.argv[1:]))
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run.run()
    except KeyboardInterrupt as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        run.queue.close()
        run.fail(f"interrupted by {signal.Signals(number).name}")
        run.report()
        return 128 + number
    finally:
        run.queue.close()
    return run.report()


if __name__ == "__main__":
    sys.exit(main())
