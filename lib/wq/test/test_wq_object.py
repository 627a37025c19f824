#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The way in is what wq.h promises, in the object code: a claim by one `xchg`, a push by another,
and neither a compare-and-swap nor a jump back on the path."""

import platform
import re
import shutil
import subprocess
import sys

FUNCTIONS = (
    "wq_queue_work_on",
    "wq_queue_work",
    "wq_queue_push",
    "wq_queue_delayed_on",
    "wq_timer_set",
)
# Calls that the path may make: itself, reading the CPU and the clock, and waking a sleeper.
MAY_CALL = (
    "wq_queue_route",
    "wq_queue_push",
    "wq_queue_work_on",
    "wq_in_work",
    "sched_getcpu",
    "queue_claimed",
    "wq_timer_set",
    "wq_os_now_ns",
    "wq_os_futex_wake",
)


def skip(why):
    """Ends as skipped."""
    print(f"skipped: {why}")
    sys.exit(77)


def functions(lib):
    """Lines of disassembly by function."""
    out = subprocess.run(
        ["objdump", "-dr", "--no-show-raw-insn", lib], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    result, name = {}, None
    for line in out.splitlines():
        head = re.match(r"[0-9a-f]+ <(\w+)(\.cold|\.part\.\d+)?>:", line)
        if head:
            name = head.group(1)
            result.setdefault(name, [])
        elif name and line.startswith(" "):
            result[name].append(line)
    return result


def check_no_loop(name, lines):
    """No jump to a lower address, but for what lies behind the function's last return."""
    returns = [i for i, line in enumerate(lines) if re.search(r"\tret", line)]
    for i, line in enumerate(lines):
        jump = re.match(r"\s*([0-9a-f]+):\s+j\w+\s+([0-9a-f]+) <", line)
        if jump and int(jump.group(2), 16) < int(jump.group(1), 16):
            # Cold blocks are put behind a return, and jump back once.
            assert returns and i > returns[0], (name, line)


def main():
    lib, optimised = sys.argv[1:3]
    if platform.machine() != "x86_64":
        skip("knows x86-64 only")
    if optimised != "yes":
        skip("not an optimised build without sanitizers")
    if not shutil.which("objdump"):
        skip("no objdump")
    code = functions(lib)
    claim = "\n".join(code["wq_queue_work_on"])
    assert re.search(r"\txchg\s+%\w+,.*\(|lock bts", claim), claim
    push = "\n".join(code["wq_queue_push"])
    assert re.search(r"\txchg\s+%\w+,.*\(", push), push
    for name in FUNCTIONS:
        lines = code[name]
        text = "\n".join(lines)
        assert "cmpxchg" not in text, (name, text)
        assert "syscall" not in text, (name, text)
        check_no_loop(name, lines)
        for callee in re.findall(r"R_X86_64_(?:PLT32|PC32)\s+(\w+)-0x", text):
            if callee.startswith("wq_") and callee not in ("wq_global", "wq_current"):
                assert callee in MAY_CALL, (name, callee)
        assert not re.search(r"PLT32\s+(malloc|free|pthread_\w+|syscall)\b", text), (name, text)


if __name__ == "__main__":
    main()
