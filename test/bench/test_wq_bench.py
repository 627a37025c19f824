#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""wq_bench runs, briefly, and its JSON has the keys that others read."""

import json
import subprocess
import sys

KEYS = ('enqueue_ns', 'works_per_s', 'idle_wake_p50_us', 'idle_wake_p99_us')


def main():
    args = [sys.argv[1], '--json', '--rounds', '1', '--works', '32', '--wakes', '20',
            '--no-blocked']
    out = subprocess.run(args, stdout=subprocess.PIPE, check=True, timeout=100).stdout
    results = json.loads(out)
    for name in ('wq', 'bare_mpsc', 'spsc_ring', *sys.argv[2:]):
        for key in KEYS:
            assert results[name][key] > 0, (name, key)
        blocked = results[name]['blocked_start_us']
        assert isinstance(blocked['announced'], list), name
        assert isinstance(blocked['unannounced'], list), name
    assert len(results['wq']['blocked_start_us']['announced']) == 8


if __name__ == '__main__':
    main()
