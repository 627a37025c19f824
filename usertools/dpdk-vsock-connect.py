#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Connects to a port of a guest through the guest's Unix socket on the host.

Without --listen, standard input and output are the two directions of the connection, which serves
as a ProxyCommand of ssh. With --listen, each connection to a Unix socket or to a TCP port of
loopback is forwarded to the guest's port, for programs that do not know the CONNECT line.
"""

import argparse
import os
import select
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "share", "dpdk-vsockd")]
import vsockd_address  # noqa: E402

CHUNK = 65536
EXIT_REFUSED = 1
RETRY_S = 0.1


class ConnectError(Exception):
    """The guest cannot be reached."""


def dial_once(path, port, timeout):
    """One try: a socket behind the OK line."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
        sock.sendall(b"CONNECT %d\n" % port)
        line = b""
        while not line.endswith(b"\n"):
            byte = sock.recv(1)  # what follows the line is the guest's
            if not byte:
                raise ConnectError(
                    f"{path}: port {port}: refused: no guest is there, or nothing listens in it"
                )
            line += byte
            if len(line) > 32 or not b"OK ".startswith(line[:3]):
                raise ConnectError(f"{path}: not the socket of a guest: it answers {line!r}")
        sock.settimeout(None)
        return sock
    except OSError as err:
        sock.close()
        text = "timeout" if isinstance(err, TimeoutError) else err.strerror or str(err)
        raise ConnectError(f"{path}: port {port}: {text}") from err
    except ConnectError:
        sock.close()
        raise


def dial(path, port, wait, timeout):
    """As above; while the guest refuses, try again for `wait` seconds."""
    end = time.monotonic() + wait
    while True:
        try:
            return dial_once(path, port, timeout)
        except ConnectError:
            if time.monotonic() + RETRY_S > end:
                raise
            time.sleep(RETRY_S)


# ---- copy


class Direction:
    """Bytes from one descriptor to another. The end of the one becomes the end of the other."""

    def __init__(self, source, target, end):
        self.source = source
        self.target = target
        self.end = end  # called when all is written behind the end of the source
        self.data = b""
        self.eof = False
        self.over = False

    def wants(self):
        """(descriptor, event) to wait for; None: over."""
        if self.over:
            return None
        return (self.target, select.POLLOUT) if self.data else (self.source, select.POLLIN)

    def step(self):
        """Read or write once."""
        if self.data:
            self.data = self.data[os.write(self.target, self.data) :]
        elif not self.eof:
            self.data = os.read(self.source, CHUNK)
            self.eof = not self.data
        if self.eof and not self.data:
            self.over = True
            self.end()


def shut(sock):
    """Tell the peer that no more bytes follow."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has closed


def copy(directions, sock):
    """Copy until both directions have ended, or the guest has closed."""
    while not all(d.over for d in directions):
        poll = select.poll()
        events = {}
        for direction in directions:
            wanted = direction.wants()
            if wanted:
                events.setdefault(wanted[0], []).append((wanted[1], direction))
        events.setdefault(sock.fileno(), [])
        for fd, wants in events.items():
            mask = 0
            for event, _ in wants:
                mask |= event
            poll.register(fd, mask)
        ready = dict(poll.poll())
        for fd, wants in events.items():
            for event, direction in wants:
                if ready.get(fd, 0) & (event | select.POLLHUP | select.POLLERR):
                    try:
                        direction.step()
                    except (BrokenPipeError, ConnectionError):
                        direction.over = True
        # The guest has closed: what the program still writes has no reader.
        if ready.get(sock.fileno(), 0) & select.POLLHUP and directions[1].over:
            return


def run_stdio(sock):
    """Standard input and output are the connection."""
    sock.setblocking(True)
    copy(
        (
            Direction(0, sock.fileno(), lambda: shut(sock)),
            Direction(sock.fileno(), 1, lambda: os.close(1)),
        ),
        sock,
    )


# ---- forward


def listener(text):
    """The listening socket of --listen: unix:PATH or tcp:ADDRESS:PORT."""
    ip, where = vsockd_address.parse(text, ", such as 127.0.0.1")
    if ip is None:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(where)
        return sock
    sock = socket.socket(socket.AF_INET6 if ip.version == 6 else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((str(ip), where))
    return sock


def forward(client, args, slots):
    """Connect one client to the guest."""
    try:
        with client, dial(args.uds, args.port, args.wait, args.timeout) as guest:
            copy(
                (
                    Direction(client.fileno(), guest.fileno(), lambda: shut(guest)),
                    Direction(guest.fileno(), client.fileno(), lambda: shut(client)),
                ),
                guest,
            )
    except ConnectError as err:
        print(f"dpdk-vsock-connect: {err}", file=sys.stderr, flush=True)
    finally:
        slots.release()


def run_listen(args):
    """Forward until a signal."""
    sock = listener(args.listen)
    try:
        sock.listen(128)
        where = args.listen
        if sock.family != socket.AF_UNIX:
            where = "tcp:" + ":".join(str(part) for part in sock.getsockname()[:2])
        text = f"dpdk-vsock-connect: {where} forwards to port {args.port}"
        print(text, file=sys.stderr, flush=True)
        slots = threading.BoundedSemaphore(args.max)
        while True:
            slots.acquire()
            client, _ = sock.accept()
            threading.Thread(target=forward, args=(client, args, slots), daemon=True).start()
    finally:
        sock.close()
        if args.listen.startswith("unix:"):
            os.unlink(args.listen[5:])


# ---- command line


def parse(argv):
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n", maxsplit=1)[0],
        epilog="ssh: ssh -o ProxyCommand='dpdk-vsock-connect.py /run/vsockd/vm3.vsock 22' root@vm3",
    )
    parser.add_argument("uds", help="the guest's socket: uds= of its --vdev")
    parser.add_argument("port", type=int, help="port in the guest")
    parser.add_argument(
        "-w",
        "--wait",
        type=float,
        default=0,
        metavar="S",
        help="try for S seconds while the guest refuses (default: 0)",
    )
    parser.add_argument(
        "-t",
        "--timeout",
        type=float,
        default=15,
        metavar="S",
        help="for the answer to one try (default: 15)",
    )
    parser.add_argument(
        "-l",
        "--listen",
        metavar="ADDRESS",
        help="forward connections of unix:PATH or tcp:127.0.0.1:PORT (port 0: any)",
    )
    parser.add_argument(
        "--max",
        type=int,
        default=64,
        metavar="N",
        help="--listen: connections at the same time (default: 64); others wait",
    )
    args = parser.parse_args(argv)
    if not 0 <= args.port < 0xFFFFFFFF:
        parser.error("the port must be from 0 to 4294967294")
    if args.max < 1:
        parser.error("--max must be at least 1")
    return args


def main(argv):
    """Returns the exit status."""
    args = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if args.listen:
            run_listen(args)
        with dial(args.uds, args.port, args.wait, args.timeout) as sock:
            run_stdio(sock)
        return 0
    except (ConnectError, ValueError) as err:
        print(f"dpdk-vsock-connect: {err}", file=sys.stderr)
    except OSError as err:
        print(f"dpdk-vsock-connect: {args.listen}: {err.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        return 0 if args.listen else EXIT_REFUSED
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
