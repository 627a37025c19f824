#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The part of devtools/demo.sh that runs the daemon, two guests and the host."""
import argparse
import shutil
import signal
import sys
import tempfile
import time

from daemon import DaemonError
from jobs import PartyError, StepFailed
from lab import Lab

SIZE = "16M"
TIMEOUT = 120
PINGS = 300
REFUSED_US = 1_500_000


class DemoError(Exception):
    """Something that was shown is not right."""


def check(condition, text):
    if not condition:
        raise DemoError(text)


def gigabits(reply):
    return reply["bytes"] * 8 / max(reply["io_us"], 1) / 1000


def exchange(title, lab, client, server, kind, chunk):
    """The client asks, the server answers, and both compare the digests of the data."""
    there, here, port = lab.pair(client, server)
    listener = here.spawn(
        f"socket {kind}",
        f"listen {port}",
        "accept",
        f"recv eof {chunk}",
        f"send {SIZE} 2 {chunk}",
        "close",
        "accept",
        "echo",
    )
    listener.step("listen")
    asked = there.spawn(
        f"socket {kind}",
        f"connect {here.cid} {port}",
        f"send {SIZE} 1 {chunk}",
        "shut wr",
        f"recv eof {chunk}",
        "close",
        f"connect {here.cid} {port}",
        f"ping {PINGS} 64",
        "close",
    ).wait(TIMEOUT)
    answered = listener.wait(TIMEOUT)
    for sent, received in ((asked["send"], answered["recv"]), (answered["send"], asked["recv"])):
        check(
            sent["bytes"] == received["bytes"] and sent["digest"] == received["digest"],
            f"{title}: what arrived is not what was sent",
        )
        if kind == "seqpacket":
            check(sent["lens"] == received["lens"], f"{title}: message boundaries are lost")
    print(
        f'  {title:<44} {kind:<9}  {gigabits(answered["recv"]):5.2f}  '
        f'{gigabits(asked["recv"]):5.2f} {asked["ping"]["median_us"]:6}  '
        f'{asked["recv"]["digest"][:12]}',
        flush=True,
    )


def refusal(lab):
    """A port without a listener is refused at once, rather than after a time-out."""
    guest = lab.a
    reply = guest.run("?connect 2 9")["connect"]
    check(
        not reply.ok and reply["errno"] in ("ECONNRESET", "ECONNREFUSED"),
        "a port without a listener was not refused",
    )
    check(reply["us"] < REFUSED_US, "a port without a listener was refused by a time-out only")
    print(
        f'\nA port of the host without a listener: {reply["errno"]} after '
        f'{reply["us"] / 1000:.1f} ms'
    )


def show(value, indent):
    """One telemetry answer as text; what is zero is left out."""
    for key, item in value.items():
        if isinstance(item, dict):
            print(f"{indent}{key}:")
            show(item, indent + "  ")
        elif item not in (0, "", [], None):
            print(f"{indent}{key:<28} {item}")


def statistics(lab):
    for i, port in enumerate(lab.ports):
        answer = lab.daemon.telemetry(f"/vsock/port,vsock_vhost{i}")
        check(answer.get("cid") == port.cid, f"/vsock/port,vsock_vhost{i} is not CID {port.cid}")
        print(f"\nStatistics of vsock_vhost{i} (/vsock/port,vsock_vhost{i}):")
        show(answer, "  ")
    print("\nStatistics of the switch (/vsock/stats):")
    show(lab.daemon.telemetry("/vsock/stats"), "  ")


def demo(lab):
    lab.start()
    print("dpdk-vsockd " + " ".join(lab.daemon.command()[1:]))
    for name, guest in (("A", lab.a), ("B", lab.b)):
        cid = guest.run("cid")["cid"]["cid"]
        check(cid == guest.cid, f"guest {name} has CID {cid}")
        print(f"guest {name}: CID {cid}, Linux {guest.release}")

    print(
        f'\n  {SIZE[:-1]} MiB each way, digests compared by both{"":<15} Gb/s   Gb/s   trip\n'
        f'{"":<57} asked answer     us  digest'
    )
    exchange("guest A asks a server on the host", lab, "a", "host", "stream", "64K")
    exchange("the host asks a server in guest A", lab, "host", "a", "stream", "64K")
    exchange("guest B talks to guest A", lab, "b", "a", "stream", "64K")
    exchange("guest A asks a server on the host", lab, "a", "host", "seqpacket", "32K")
    exchange("the host asks a server in guest B", lab, "host", "b", "seqpacket", "32K")
    exchange("guest A talks to guest B", lab, "a", "b", "seqpacket", "32K")
    refusal(lab)
    statistics(lab)

    status, seconds = lab.daemon.stop()
    check(status == 0, f"the daemon ended with status {status} after SIGTERM")
    print(f"\nThe daemon ended {seconds:.2f} s after SIGTERM, status {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vsockd", required=True, help="the binary of the daemon")
    parser.add_argument("--image", required=True, help="what guest-image.sh has made")
    parser.add_argument("--start", type=float, default=time.time(), help="when it all began")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    workdir = tempfile.mkdtemp(prefix="vsockd-demo-")
    lab = Lab(args.vsockd, args.image, ("old", "new"), workdir)
    try:
        demo(lab)
    except (DemoError, DaemonError, PartyError, StepFailed, OSError, KeyError) as e:
        if lab.daemon is not None:
            print(lab.logs(), file=sys.stderr)
        print(f"demo: FAILED: {str(e).splitlines()[0] if str(e) else repr(e)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 1
    finally:
        lab.close()
        shutil.rmtree(workdir, ignore_errors=True)
    print(f"demo: all good, {time.time() - args.start:.0f} s from start to end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
