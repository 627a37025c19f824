#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Gives a QEMU guest its vsock device back after dpdk-vsockd was started again.

QEMU does not connect its vhost-user-vsock device to a new back end. This tool removes the device
and its character device through QMP, and adds both again. The guest needs no help beyond the hot
plug of its PCI Express root port. Open connections of the guest are reset.
"""

import argparse
import json
import socket
import sys
import time

PORT_HELP = "give QEMU a free one: -device pcie-root-port,id=vsock-port"


class QmpError(Exception):
    """QEMU refuses, or does not answer."""


class Qmp:
    """A connection to QEMU's monitor."""

    def __init__(self, path, timeout):
        self.path = path
        self.timeout = timeout
        self.data = b""
        self.events = []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(path)
        except OSError as err:
            raise QmpError(f"{path}: {err.strerror or err}") from err
        if "QMP" not in self.read():
            raise QmpError(f"{path}: not a QMP socket (-qmp unix:PATH,server=on,wait=off)")
        self.run("qmp_capabilities")

    def read(self, timeout=None):
        """The next object."""
        self.sock.settimeout(timeout or self.timeout)
        while b"\n" not in self.data:
            try:
                more = self.sock.recv(65536)
            except TimeoutError as err:
                raise QmpError(f"{self.path}: no answer (does another program use it?)") from err
            except OSError as err:
                raise QmpError(f"{self.path}: {err.strerror or err}") from err
            if not more:
                raise QmpError(f"{self.path}: QEMU has closed the connection")
            self.data += more
        line, _, self.data = self.data.partition(b"\n")
        return json.loads(line)

    def run(self, command, **arguments):
        """Run one command: its answer."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self.read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QmpError(f"{command}: {answer['error'].get('desc', answer['error'])}")
            self.events.append(answer)

    def wait_deleted(self, device, seconds):
        """Wait until the guest has let go of a device. @return whether it has."""
        end = time.monotonic() + seconds
        while True:
            for event in self.events:
                if (
                    event.get("event") == "DEVICE_DELETED"
                    and event.get("data", {}).get("device") == device
                ):
                    return True
            self.events.clear()
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                self.events.append(self.read(left))
            except QmpError:
                if time.monotonic() < end:
                    raise
                return False


def has_device(qmp, device):
    """Is there a device with this id?"""
    try:
        qmp.run("qom-list", path=f"/machine/peripheral/{device}")
        return True
    except QmpError:
        return False


def replug(qmp, args):
    """Remove what is there, and add it again. A second run goes on where the first one stopped."""
    if has_device(qmp, args.device):
        qmp.run("device_del", id=args.device)
        if not qmp.wait_deleted(args.device, args.timeout):
            raise QmpError(
                f"{args.device}: the guest has not let go of the device within {args.timeout:g} s "
                f"(is it on a pcie-root-port? {PORT_HELP})"
            )
    if any(c["label"] == args.chardev for c in qmp.run("query-chardev")):
        qmp.run("chardev-remove", id=args.chardev)
    qmp.run(
        "chardev-add",
        id=args.chardev,
        backend={
            "type": "socket",
            "data": {"addr": {"type": "unix", "data": {"path": args.iface}}, "server": False},
        },
    )
    arguments = {"driver": args.driver, "id": args.device, "chardev": args.chardev}
    if args.bus:
        arguments["bus"] = args.bus
    qmp.run("device_add", **arguments)


def parse(argv):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("qmp", help="QEMU's monitor: -qmp unix:PATH,server=on,wait=off")
    parser.add_argument("iface", help="vhost-user socket of the daemon: iface= of its --vdev")
    parser.add_argument("-d", "--device", default="vsock0", help="id of the device (vsock0)")
    parser.add_argument("-c", "--chardev", default="vsock0-char", help="its id (vsock0-char)")
    parser.add_argument("-b", "--bus", help=f"id of the root port; {PORT_HELP}")
    parser.add_argument(
        "--driver", default="vhost-user-vsock-pci", help="QEMU's driver (vhost-user-vsock-pci)"
    )
    parser.add_argument(
        "-t", "--timeout", type=float, default=20, help="seconds for the guest to let go (20)"
    )
    return parser.parse_args(argv)


def main(argv):
    """Returns the exit status."""
    args = parse(argv)
    try:
        replug(Qmp(args.qmp, 10), args)
    except QmpError as err:
        print(f"dpdk-vsock-replug: {err}", file=sys.stderr)
        return 1
    print(f"{args.device}: plugged in again, connected to {args.iface}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
