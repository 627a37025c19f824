# SPDX-License-Identifier: BSD-3-Clause
"""The front end's half of the vhost-user protocol, over a Unix socket with SCM_RIGHTS."""

import array
import socket
import struct
from enum import IntEnum

VERSION = 1
FLAG_REPLY = 1 << 2
FLAG_NEED_REPLY = 1 << 3
NO_FD = 1 << 8

F_NOTIFY_ON_EMPTY = 1 << 24
F_ANY_LAYOUT = 1 << 27
F_INDIRECT_DESC = 1 << 28
F_EVENT_IDX = 1 << 29
F_PROTOCOL_FEATURES = 1 << 30
F_VERSION_1 = 1 << 32
F_RING_PACKED = 1 << 34
F_IN_ORDER = 1 << 35
F_LOG_ALL = 1 << 26

PF_REPLY_ACK = 1 << 3
PF_CONFIG = 1 << 9
PF_STATUS = 1 << 16


class Req(IntEnum):
    """Front end → back end messages."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_LOG_BASE = 6
    SET_LOG_FD = 7
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    GET_CONFIG = 24
    SET_CONFIG = 25


class BackendGone(ConnectionError):
    """The back end closed the connection."""


class BackendRefused(AssertionError):
    """The back end answered a message with a failure."""


def connect(path, timeout=20):
    """Connect to a back end that listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def listen(path):
    """Listen for a back end that connects.  Accept with accept()."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    sock.listen(1)
    return sock


def accept(listener, timeout=20):
    """Wait for the back end."""
    listener.settimeout(timeout)
    sock, _ = listener.accept()
    sock.settimeout(timeout)
    return sock


class FrontEnd:
    """One vhost-user session."""

    def __init__(self, sock):
        self.sock = sock
        self.features = 0
        self.protocol_features = 0

    def close(self):
        """Vanish."""
        self.sock.close()

    # --- messages

    @staticmethod
    def frame(request, payload=b"", flags=VERSION):
        """The bytes of a message."""
        return struct.pack("<III", request, flags, len(payload)) + payload

    def send_raw(self, data, fds=()):
        """Send bytes, with descriptors riding on the first of them."""
        ancillary = []
        if fds:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        sent = self.sock.sendmsg([data], ancillary)
        if sent < len(data):
            self.sock.sendall(data[sent:])

    def _recv_exact(self, nb_bytes):
        data = b""
        while len(data) < nb_bytes:
            try:
                piece = self.sock.recv(nb_bytes - len(data))
            except ConnectionResetError as err:
                raise BackendGone(str(err)) from err
            if not piece:
                raise BackendGone("the back end closed the connection")
            data += piece
        return data

    def recv_reply(self, request):
        """Receive the reply to `request`; returns its payload."""
        got, flags, nb_bytes = struct.unpack("<III", self._recv_exact(12))
        payload = self._recv_exact(nb_bytes)
        if got != request or not flags & FLAG_REPLY:
            raise AssertionError(f"answer {got} flags {flags:#x} to request {request}")
        return payload

    def ask(self, request, payload=b""):
        """A message that always has a reply."""
        self._send(request, payload, VERSION)
        return self.recv_reply(request)

    def _send(self, request, payload, flags, fds=()):
        try:
            self.send_raw(self.frame(request, payload, flags), fds)
        except (BrokenPipeError, ConnectionResetError) as err:
            raise BackendGone(str(err)) from err

    def tell(self, request, payload=b"", fds=()):
        """A message without a reply of its own; acknowledged when REPLY_ACK is on."""
        acked = self.protocol_features & PF_REPLY_ACK
        self._send(request, payload, VERSION | (FLAG_NEED_REPLY if acked else 0), fds)
        if acked:
            (status,) = struct.unpack("<Q", self.recv_reply(request))
            if status:
                raise BackendRefused(f"{request.name} failed with {status}")

    # --- requests

    def get_features(self):
        """Device features that the back end offers."""
        return struct.unpack("<Q", self.ask(Req.GET_FEATURES))[0]

    def set_features(self, features):
        """Choose device features."""
        self.tell(Req.SET_FEATURES, struct.pack("<Q", features))
        self.features = features

    def get_protocol_features(self):
        """Protocol features that the back end offers."""
        return struct.unpack("<Q", self.ask(Req.GET_PROTOCOL_FEATURES))[0]

    def set_protocol_features(self, features):
        """Choose protocol features."""
        self.tell(Req.SET_PROTOCOL_FEATURES, struct.pack("<Q", features))
        self.protocol_features = features

    def set_owner(self):
        """Claim the session."""
        self.tell(Req.SET_OWNER)

    def set_mem_table(self, regions):
        """Hand over guest memory."""
        payload = struct.pack("<II", len(regions), 0)
        for r in regions:
            payload += struct.pack("<QQQQ", r.gpa, r.size, r.uva, r.offset)
        self.tell(Req.SET_MEM_TABLE, payload, [r.fd for r in regions])

    def set_vring_num(self, index, size):
        """Ring size."""
        self.tell(Req.SET_VRING_NUM, struct.pack("<II", index, size))

    def set_vring_base(self, index, base):
        """First available index that the back end shall look at."""
        self.tell(Req.SET_VRING_BASE, struct.pack("<II", index, base))

    def set_vring_addr(self, index, desc, avail, used):
        """Where the ring lies, in the front end's address space."""
        self.tell(Req.SET_VRING_ADDR, struct.pack("<IIQQQQ", index, 0, desc, used, avail, 0))

    def set_vring_kick(self, index, fd):
        """Hand over the eventfd by which the driver kicks (None: poll)."""
        self._set_vring_fd(Req.SET_VRING_KICK, index, fd)

    def set_vring_call(self, index, fd):
        """Hand over the eventfd by which the device calls (None: never)."""
        self._set_vring_fd(Req.SET_VRING_CALL, index, fd)

    def _set_vring_fd(self, request, index, fd):
        value = index | (NO_FD if fd is None else 0)
        self.tell(request, struct.pack("<Q", value), [] if fd is None else [fd])

    def set_vring_enable(self, index, on):
        """Enable or disable a ring."""
        self.tell(Req.SET_VRING_ENABLE, struct.pack("<II", index, int(on)))

    def get_vring_base(self, index):
        """Stop a ring; returns the available index at which it stopped."""
        got, base = struct.unpack("<II", self.ask(Req.GET_VRING_BASE, struct.pack("<II", index, 0)))
        if got != index:
            raise AssertionError(f"GET_VRING_BASE of ring {index} answered for ring {got}")
        return base

    def get_config(self, offset, nb_bytes):
        """Read the device's configuration space; an empty answer is a refusal."""
        reply = self.ask(Req.GET_CONFIG, struct.pack("<III", offset, nb_bytes, 0) + bytes(nb_bytes))
        if not reply:
            raise BackendRefused("GET_CONFIG refused")
        return reply[12:]

    # --- the whole of it

    def negotiate(self, wanted, protocol=PF_REPLY_ACK | PF_CONFIG):
        """Agree on features: takes of `wanted` what is offered.  Returns the device features."""
        features = self.get_features() & (wanted | F_PROTOCOL_FEATURES)
        if features & F_PROTOCOL_FEATURES:
            self.set_protocol_features(self.get_protocol_features() & protocol)
        self.set_owner()
        self.set_features(features)
        return features

    def start_vring(self, index, queue, base):
        """Hand over a ring, disabled."""
        mem = queue.mem
        self.set_vring_num(index, queue.size)
        self.set_vring_base(index, base)
        self.set_vring_addr(index, mem.uva(queue.desc), mem.uva(queue.avail), mem.uva(queue.used))
        self.set_vring_kick(index, queue.kick_fd)
        self.set_vring_call(index, queue.call_fd)
