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


def reading(lab):
    """The counters, as sentences."""
    stats = lab.daemon.telemetry("/vsock/stats")
    mib = (stats["from_guest_bytes"] + stats["to_guest_bytes"]) / (1 << 20)
    packets = stats["from_guest_packets"] + stats["to_guest_packets"]
    notified = stats["to_guest_notifications"] + stats["from_guest_notifications"]
    calls = stats["host_send_calls"] + stats["host_recv_calls"]
    print("\nWhat the counters say (dpdk-telemetry.py: /vsock/stats):")
    print(f"  {mib:.0f} MiB in {packets} packets went through the switch, in both directions.")
    if stats["guest_payload_bytes"]:
        copies = stats["guest_copied_bytes"] / stats["guest_payload_bytes"]
        print(f"  Between guests each byte was copied {copies:.2f} times.")
    print(f"  Host programs cost {calls} system calls, {calls / packets:.2f} for each packet.")
    print(f"  The guests got {notified} interrupts, {notified / packets:.2f} for each packet.")
    print(f"  {stats['conns_opened']} ends of connections were opened; {stats['conns']} are left.")
    drops = {name: count for name, count in stats["drops"].items() if count}
    check(set(drops) <= {"host_refused"}, f"something was dropped: {drops}")
    print(f"  Refused, dropped or reset: {drops}. That is the port without a listener above.")
    print("The guests are emulated without KVM, so the speed is the emulator's, not the daemon's.")


def prompt(lab):
    """Lines that the user types run in a guest, until the end of the input."""
    port = 7000
    for guest in (lab.a, lab.b):
        guest.spawn("socket stream", f"listen {port}", "serve 1000000").step("listen")
    uds = lab.daemon.uds[lab.a.cid]
    telemetry = lab.daemon.telemetry_path()
    print(
        f"""
The guests are up. Each has a server on port {port} that echoes. Try in another terminal:
  usertools/dpdk-vsock-top.py -s {telemetry}
  echo hello | usertools/dpdk-vsock-connect.py {uds} {port}
  usertools/dpdk-vsock-connect.py --listen tcp:127.0.0.1:0 {uds} {port}
  usertools/dpdk-vsock-exporter.py -s {telemetry} --once
Here, "a COMMAND" and "b COMMAND" run a shell command in a guest, such as "a dmesg"; q ends.""",
        flush=True,
    )
    while True:
        try:
            line = input("demo> ").strip()
        except EOFError:
            return
        if line in ("q", "quit", "exit"):
            return
        name, _, command = line.partition(" ")
        if name not in ("a", "b") or not command:
            print('write "a COMMAND", "b COMMAND" or q')
            continue
        try:
            print(getattr(lab, name).shell(command))
        except StepFailed as error:
            print(str(error).splitlines()[0])


def demo(lab, shell):
    print("booting two guests in QEMU; without KVM this takes 10 to 60 seconds", flush=True)
    begin = time.monotonic()
    lab.start()
    print(f"both are up after {time.monotonic() - begin:.0f} s; the daemon was started with")
    print("  dpdk-vsockd " + " ".join(lab.daemon.command()[1:]))
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
    reading(lab)
    if shell:
        prompt(lab)

    status, seconds = lab.daemon.stop()
    check(status == 0, f"the daemon ended with status {status} after SIGTERM")
    print(f"\nThe daemon ended {seconds:.2f} s after SIGTERM, status {status}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vsockd", required=True, help="the binary of the daemon")
    parser.add_argument("--image", required=True, help="what guest-image.sh has made")
    parser.add_argument("--start", type=float, default=time.time(), help="when it all began")
    parser.add_argument("--shell", action="store_true", help="leave the guests up")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    workdir = tempfile.mkdtemp(prefix="vsockd-demo-")
    lab = Lab(args.vsockd, args.image, ("old", "new"), workdir)
    try:
        demo(lab, args.shell)
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
