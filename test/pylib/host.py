# SPDX-License-Identifier: BSD-3-Clause
"""Programs on the host: sockets at <uds>, <uds>_seqpacket and <uds>_<port>, never blocking."""

import os
import socket
from collections import deque

from pylib.loop import POLLIN, POLLOUT


class HostConn:
    """One end of a Unix socket.

    `reading` off makes it a slow reader.  When `handshake` is set, the first line (seqpacket: the
    first message) is taken for the answer to CONNECT.
    """

    def __init__(self, sock, handshake=False):
        self.sock = sock
        self.sock.setblocking(False)
        self.seqpacket = sock.type & 0xF == socket.SOCK_SEQPACKET
        self.handshake = handshake
        self.ok = None
        self.rx = bytearray()
        self.messages = []
        self.out = deque()
        self.reading = True
        self.eof = False
        self.error = None
        self.shutdown_after = False
        self.closed = False
        self.max_read = 1 << 18

    @property
    def established(self):
        """Was CONNECT answered with OK?"""
        return self.ok is not None

    @property
    def ended(self):
        """Did the peer close (orderly or not)?"""
        return self.eof or self.error is not None

    @property
    def sent(self):
        """Is everything written?"""
        return not self.out

    def fds(self):
        """Descriptors to poll."""
        if self.closed:
            return {}
        events = POLLIN if self.reading and not self.ended else 0
        events |= POLLOUT if self.out and not self.error else 0
        return {self.sock.fileno(): events} if events else {}

    def service(self, _fd):
        """Read and write what goes without waiting."""
        if self.reading and not self.ended:
            self.read()
        self.write()

    def read(self, nb_bytes=None):
        """Read once."""
        try:
            data = self.sock.recv(nb_bytes or self.max_read)
        except BlockingIOError:
            return
        except OSError as err:
            self.error = err
            return
        if not data:
            self.eof = True
        elif self.handshake and not self.established:
            self._answer(data)
        else:
            self._data(data)

    def _data(self, data):
        if self.seqpacket:
            self.messages.append(data)
        else:
            self.rx += data

    def _answer(self, data):
        self.rx += data
        if b"\n" not in self.rx:
            return
        line, _, rest = bytes(self.rx).partition(b"\n")
        self.rx.clear()
        word, _, port = line.partition(b" ")
        if word != b"OK" or not port.isdigit():
            raise AssertionError(f"answer to CONNECT: {line!r}")
        if self.seqpacket and rest:
            raise AssertionError(f"the answer's message goes on with {rest!r}")
        self.ok = int(port)
        if rest:
            self._data(rest)

    def send(self, data):
        """Queue bytes (seqpacket: one message) and write what goes."""
        self.out.append(memoryview(bytes(data)))
        self.write()

    def write(self):
        """Write what goes without waiting."""
        while self.out and not self.error:
            try:
                sent = self.sock.send(self.out[0], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError as err:
                self.error = err
                return
            if sent == len(self.out[0]):
                self.out.popleft()
            else:
                self.out[0] = self.out[0][sent:]
        if self.shutdown_after and not self.out and not self.error:
            self.shutdown_after = False
            self.sock.shutdown(socket.SHUT_WR)

    def finish_writing(self):
        """SHUT_WR behind what is queued."""
        self.shutdown_after = True
        self.write()

    def close(self):
        """Close now."""
        if not self.closed:
            self.closed = True
            self.sock.close()

    def describe(self):
        """For error reports."""
        return (
            f"host: ok={self.ok} rx={len(self.rx)}/{len(self.messages)} "
            f"to write {sum(len(d) for d in self.out)} eof={self.eof} error={self.error!r} "
            f"closed={self.closed}"
        )


class HostListener:
    """A server at <uds>_<port>."""

    def __init__(self, loop, path, kind=socket.SOCK_STREAM, backlog=64, setup=None):
        self.loop = loop
        self.path = path
        self.setup = setup
        self.sock = socket.socket(socket.AF_UNIX, kind)
        self.sock.bind(path)
        self.sock.listen(backlog)
        self.sock.setblocking(False)
        self.conns = []
        self.accepting = True

    def fds(self):
        """Descriptors to poll."""
        return {self.sock.fileno(): POLLIN} if self.accepting else {}

    def service(self, _fd):
        """Accept what waits."""
        while True:
            try:
                sock, _ = self.sock.accept()
            except BlockingIOError:
                return
            conn = HostConn(sock)
            if self.setup:
                self.setup(conn)
            self.conns.append(conn)
            self.loop.add(conn)

    def close(self):
        """Stop listening and remove the socket."""
        self.accepting = False
        self.sock.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        for conn in self.conns:
            self.loop.remove(conn)
            conn.close()

    def describe(self):
        """For error reports."""
        return f"host server {self.path}: {len(self.conns)} accepted"
