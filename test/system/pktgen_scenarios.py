#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every scenario of the load generator through the daemon, with every byte checked.

Usage: pktgen_scenarios.py DAEMON PKTGEN LCORES [SECONDS]
LCORES is EAL's --lcores. Runs all the lines of RUNS and tells those that did not end well.
"""

import subprocess
import sys

from pylib.daemon import Daemon, sanitized
from pylib.process import ProcessError

GUESTS = (3, 4, 5, 6)
CLIENT = 99
START_S = 60
RUN_S = 120

RUNS = """
guest-to-host --size 64 --conns 3
guest-to-host --size 64K
guest-to-host --size 64,1500,64K --conns 20 --shape fragments
guest-to-host --size 1,100000 --conns 5 --shape header-split --indirect on
guest-to-host --size 4K --event-idx off --wait block
guest-to-host --size 4K --reverse --conns 4
guest-to-host --size 1000 --duplex --conns 8 --shape 3776
guest-to-host --type seqpacket --size 1,5000,60000,100000 --conns 3
guest-to-host --type seqpacket --size 100 --duplex --conns 3
host-to-guest --size 64 --conns 3
host-to-guest --size 64K --shape 64k
host-to-guest --size 64K --shape 3776
host-to-guest --size 64,1500,64K --conns 20 --shape fragments --indirect on
host-to-guest --size 300,70000 --shape header-split --buf-alloc 10000
host-to-guest --type seqpacket --size 1,5000,60000,100000 --conns 3
host-to-guest --reverse --type seqpacket --size 1,5000 --conns 3 --ring-size 16
guest-to-guest --size 64
guest-to-guest --size 64K
guest-to-guest --size 64K --shape 3776 --conns 4
guest-to-guest --size 64K --shape 64k --conns 4 --ring-size 1024
guest-to-guest --size 64K --shape fragments --duplex --conns 10
guest-to-guest --size 1,64,3000,64K --shape header-split --indirect on --duplex --conns 30
guest-to-guest --size 3000,50000 --buf-alloc 5000 --conns 5
guest-to-guest --type seqpacket --size 1,64,3000,64K,200000 --conns 5 --duplex
guest-to-guest --size 64K --ring-size 8 --event-idx off --wait block --conns 3
guest-to-guest --from-guest 13+31+1+5000* --to-guest 7+30+9+1000+3000 --size 1,10000 --regions 4
guest-to-guest --size 64K --conns 4 --burst 128 --buf-alloc 1M --ring-size 256
rtt-guest-host --size 1
rtt-guest-host --size 60000 --conns 3
rtt-guest-host --size 1 --load-conns 2
rtt-host-guest --size 1 --type seqpacket
rtt-guest-guest --size 1 --wait poll
rtt-guest-guest --size 64 --wait block
rtt-guest-guest --size 1 --load-conns 2
connect-guest-host
connect-guest-host --conns 16
connect-host-guest
connect-host-guest --conns 16
connect-guest-guest --conns 16
connect-guest-host --type seqpacket --conns 4
idle --conns 100 --idle-conns 200
idle --conns 20 --interval 3000 --wait block
mixed --conns 60 --idle-conns 20 --size 64,1500,64K
mixed --conns 60 --duplex --size 64,1500,64K --shape header-split
mixed --conns 30 --duplex --size 64,1500,30000 --type seqpacket --shape 3776
"""


# With the last guest alone, to whose listening socket the daemon connects, again and again.
CLIENT_RUNS = """
guest-to-host --size 64,64K
host-to-guest --size 64,64K --queues 3
"""


def run(pktgen, line, seconds, guests):
    """None, or what was wrong."""
    command = [
        pktgen,
        "--quiet",
        "--verify",
        "--stall",
        "30",
        "--seconds",
        seconds,
        "--warmup",
        "0.05",
        *guests,
        "--scenario",
        *line.split(),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)
    except subprocess.TimeoutExpired:
        return "does not end"
    return None if done.returncode == 0 else f"{done.returncode}: {done.stderr.strip()}"


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, pktgen, lcores = sys.argv[1:4]
    seconds = sys.argv[4] if len(sys.argv) > 4 else "0.3"
    daemon = Daemon(
        (*GUESTS, CLIENT),
        {CLIENT: {"client": 1}},
        program=program,
        memory=512,
        eal=("--lcores", lcores),
        app=(),
    )
    lines = [(line, GUESTS) for line in RUNS.split("\n")[1:-1]]
    # ThreadSanitizer reports librte_vhost's reconnecting thread against EAL's own allocator, whose
    # locks it cannot see. test_client_mode.py goes slow enough.
    if not sanitized("thread"):
        lines += [(line, (CLIENT,)) for line in CLIENT_RUNS.split("\n")[1:-1]]
    failed = []
    try:
        daemon.start(START_S)
        for line, cids in lines:
            wrong = run(pktgen, line, seconds, [daemon.ports[cid].guest_arg() for cid in cids])
            if wrong:
                failed.append(line)
                print(f"{line}: {wrong}", flush=True)
            daemon.check()
        daemon.stop()
    except ProcessError as error:
        failed.append("the daemon")
        print(error)
    finally:
        if failed:
            print(daemon.stderr()[-3000:])
        daemon.discard()
    print(f"{len(lines)} runs, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
