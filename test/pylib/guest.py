# SPDX-License-Identifier: BSD-3-Clause
"""A small vsock guest: a virtio driver on two virtqueues and connections on top.

It runs in the test's thread.  A queue is looked at only when its call eventfd fires, so that a call
that the back end fails to make shows as a test that times out (describe() says so).  Every packet
that arrives is checked against the rules that hold for all of them; breaking one raises.
"""

import itertools
import select
from collections import deque

from pylib import shapes
from pylib.conn import Conn, Listener, Violation
from pylib.vhost_user import (
    F_ANY_LAYOUT,
    F_EVENT_IDX,
    F_INDIRECT_DESC,
    F_NOTIFY_ON_EMPTY,
    F_PROTOCOL_FEATURES,
    F_VERSION_1,
)
from pylib.virtqueue import GuestMemory, SplitQueue
from pylib.vsock_codec import (
    FEATURE_SEQPACKET,
    FEATURE_STREAM,
    HEADER_LEN,
    HOST_CID,
    Header,
    Op,
    Type,
)

RX, TX, EVENT = 0, 1, 2
POISON = 0xA5
DEFAULT_BUF_ALLOC = 256 * 1024


class Guest:
    """A guest on one vhost-user socket.

    rx_shape: segment lengths of the buffers posted for packets to the guest; nb_rx: how many
    (default: half the ring, as many as fit).  tx_shape: see shapes.TX.  `polled`: ask for no calls
    and look at the used rings instead.
    """

    def __init__(
        self,
        cid,
        *,
        event_idx=True,
        indirect=False,
        seqpacket=True,
        ring_size=128,
        rx_shape="single_3776",
        nb_rx=None,
        tx_shape="apart",
        mem=None,
        polled=False,
        notify_on_empty=False,
        base=0,
    ):
        self.cid = cid
        self.indirect = indirect
        self.polled = polled
        # NOTIFY_ON_EMPTY would hide missing calls that the other rules require.
        self.wanted = (
            F_VERSION_1
            | F_ANY_LAYOUT
            | F_PROTOCOL_FEATURES
            | FEATURE_STREAM
            | (F_NOTIFY_ON_EMPTY if notify_on_empty else 0)
            | (FEATURE_SEQPACKET if seqpacket else 0)
            | (F_EVENT_IDX if event_idx else 0)
            | (F_INDIRECT_DESC if indirect else 0)
        )
        self.mem = mem or GuestMemory()
        self.queues = [SplitQueue(self.mem, ring_size, event_idx) for _ in (RX, TX)]
        for queue in self.queues:
            queue.reset(base)
            queue.want_interrupts(not polled)
        self.front = None
        self.rx_shape = shapes.RX[rx_shape] if isinstance(rx_shape, str) else list(rx_shape)
        per_chain = 1 if indirect else len(self.rx_shape)
        self.nb_rx = nb_rx if nb_rx is not None else max(1, ring_size // per_chain // 2)
        self.tx_shape = tx_shape
        self.hold_rx = False
        self.held = []
        self.auto_rst = True
        self.strict = True
        self.backlog = deque()
        self.listeners = {}
        self.conns = {}
        self.finished = []
        self.strays = []
        self.log = []
        self.returned = []
        self.ports = itertools.count(49152)
        self.closed = False

    # --- life

    def negotiate(self):
        """The first half of the handshake, on self.front."""
        features = self.front.negotiate(self.wanted)
        missing = self.wanted & ~features & ~FEATURE_STREAM  # implied where not offered
        if self.strict and missing:
            raise Violation(f"features not offered: {missing:#x}")

    def start(self, base=None):
        """The second half: memory and rings."""
        if not self.queues[RX].chains:
            self.fill()
        self.front.set_mem_table(self.mem.regions)
        self.start_rings(base)

    def start_rings(self, base=None):
        """Hand the rings over, at their current position or at `base`, and enable them."""
        for i, queue in enumerate(self.queues):
            self.front.start_vring(i, queue, queue.last_used if base is None else base)
        for i in (RX, TX):
            self.front.set_vring_enable(i, True)

    def stop_rings(self):
        """Stop the rings; returns where each stopped."""
        for i in (RX, TX):
            self.front.set_vring_enable(i, False)
        return [self.front.get_vring_base(i) for i in (RX, TX)]

    def vanish(self):
        """Close the vhost-user socket without a word."""
        if self.front:
            self.front.close()
            self.front = None

    def close(self):
        """Vanish, and free everything."""
        if self.closed:
            return
        self.closed = True
        self.vanish()
        for queue in self.queues:
            queue.close()
        self.mem.close()

    # --- buffers for packets to the guest

    def fill(self, nb_buffers=None, region=None):
        """Post buffers up to the number asked for."""
        nb_buffers = self.nb_rx if nb_buffers is None else nb_buffers
        while nb_buffers and self.queues[RX].room(len(self.rx_shape), self.indirect):
            self.post([(self.mem.alloc(n, region), n) for n in self.rx_shape])
            nb_buffers -= 1
        self.queues[RX].kick()

    def post(self, segments):
        """Post one buffer, poisoned (kick separately)."""
        for gpa, nb_bytes in segments:
            self.mem.write(gpa, bytes([POISON]) * nb_bytes)
        self.queues[RX].add(inn=segments, token=segments, indirect=self.indirect)

    def repost(self):
        """Post the buffers that were held back."""
        held, self.held = self.held, []
        for segments in held:
            self.post(segments)
        self.queues[RX].kick()

    # --- packets from the guest

    def transmit(self, head, payload=b"", shape=None, kick=True):
        """Send one packet; it waits in the guest while the ring is full."""
        self.backlog.append((head, payload, shape or self.tx_shape))
        self._push_backlog(kick)

    def _push_backlog(self, kick=True):
        queue = self.queues[TX]
        while self.backlog:
            head, payload, shape = self.backlog[0]
            lengths = shapes.cut(shape, len(payload))
            if not queue.room(len(lengths), self.indirect):
                break
            self.backlog.popleft()
            data = head.pack() + payload
            segments = []
            at = 0
            for nb_bytes in lengths:
                gpa = self.mem.alloc(nb_bytes)
                self.mem.write(gpa, data[at : at + nb_bytes])
                segments.append((gpa, nb_bytes))
                at += nb_bytes
            queue.add(out=segments, token=segments, indirect=self.indirect)
        if kick:
            queue.kick()

    @property
    def idle(self):
        """Has the device given back every packet sent?"""
        return not self.backlog and not self.queues[TX].chains

    # --- sockets

    def listen(self, port, kind=Type.STREAM, accept=True, buf_alloc=DEFAULT_BUF_ALLOC, setup=None):
        """Take connections on a port; `setup` is called with each new one."""
        listener = Listener(port, kind, accept, buf_alloc, setup)
        self.listeners[port, kind] = listener
        return listener

    def new_conn(self, local_port, cid, port, kind=Type.STREAM, buf_alloc=DEFAULT_BUF_ALLOC):
        """File a connection without sending anything."""
        conn = Conn(self, local_port, cid, port, kind, buf_alloc)
        self.conns[conn.key] = conn
        return conn

    def connect(self, port, cid=HOST_CID, kind=Type.STREAM, buf_alloc=DEFAULT_BUF_ALLOC):
        """Ask for a connection."""
        conn = self.new_conn(next(self.ports), cid, port, kind, buf_alloc)
        conn.raw(Op.REQUEST)
        return conn

    def accept(self, head, listener):
        """Answer a request."""
        conn = self.new_conn(
            head.dst_port, head.src_cid, head.src_port, head.type, listener.buf_alloc
        )
        conn.peer_buf_alloc = head.buf_alloc
        conn.peer_fwd_cnt = head.fwd_cnt
        conn.state = "open"
        conn.log.append(head)
        if listener.setup:
            listener.setup(conn)
        listener.conns.append(conn)
        conn.raw(Op.RESPONSE)
        return conn

    # --- the loop's side

    def fds(self):
        """Descriptors to poll."""
        return {q.call_fd: select.POLLIN for q in self.queues}

    def service(self, fd):
        """The call eventfd of a queue fired."""
        for queue in self.queues:
            if queue.call_fd == fd and queue.take_call():
                self.work(queue)

    def pump(self, timeout=0.0):
        """Wait for calls on this guest alone and handle them.  Returns whether one came."""
        poller = select.poll()
        for fd, events in self.fds().items():
            poller.register(fd, events)
        ready = poller.poll(timeout * 1000)
        for fd, _ in ready:
            self.service(fd)
        return bool(ready)

    def work(self, queue):
        """Take what the device has used."""
        if queue is self.queues[TX]:
            for chain, nb_bytes in queue.reap():
                self._sent(chain, nb_bytes)
            self._push_backlog()
        else:
            for chain, nb_bytes in queue.reap():
                packet = self._take(chain, nb_bytes)
                if packet:
                    self._receive(*packet)
            queue.kick()
        for conn in list(self.conns.values()):
            conn.flush()

    def work_all(self):
        """Look at both queues without waiting for a call."""
        for queue in self.queues:
            self.work(queue)

    def _sent(self, chain, nb_bytes):
        if chain.token is None:
            self.returned.append((chain.head, nb_bytes))
            return
        if nb_bytes:
            raise Violation(f"used length {nb_bytes} for a chain to read")
        for segment in chain.token:
            self.mem.free(*segment)

    def _take(self, chain, nb_bytes):
        if chain.token is None:
            self.returned.append((chain.head, nb_bytes))
            return None
        data = b"".join(self.mem.read(*segment) for segment in chain.token)
        if data[nb_bytes:].count(POISON) != len(data) - nb_bytes:
            raise Violation("the device wrote past the used length")
        if self.hold_rx:
            self.held.append(chain.token)
        else:
            self.post(chain.token)
        if nb_bytes < HEADER_LEN:
            raise Violation(f"a packet of {nb_bytes} bytes")
        head = Header.unpack(data)
        if head.len != nb_bytes - HEADER_LEN:
            raise Violation(f"{head}: in a buffer of {nb_bytes} used bytes")
        return head, data[HEADER_LEN:nb_bytes]

    def _receive(self, head, payload):
        self.log.append(head)
        if head.dst_cid != self.cid:
            raise Violation(f"{head}: not for this guest")
        if head.op not in (Op.SHUTDOWN, Op.RW) and head.flags:
            raise Violation(f"{head}: flags")
        if payload and head.op != Op.RW:
            raise Violation(f"{head}: payload")
        conn = self.conns.get((head.dst_port, head.src_cid, head.src_port))
        if conn:
            conn.receive(head, payload)
            return
        listener = self.listeners.get((head.dst_port, head.type))
        if head.op == Op.REQUEST and listener:
            listener.requests.append(head)
            if listener.accept:
                self.accept(head, listener)
            return
        self.strays.append(head)
        if self.auto_rst and head.op != Op.RST:
            self.transmit(
                Header(
                    head.dst_cid, head.src_cid, head.dst_port, head.src_port, 0, head.type, Op.RST
                )
            )

    def describe(self):
        """For error reports."""
        lines = [
            f"guest {self.cid}: {len(self.conns)} connections, {len(self.backlog)} packets "
            f"wait, {len(self.strays)} strays"
        ]
        if self.closed:
            return lines[0] + ", closed"
        for name, queue in zip(("RX", "TX"), self.queues):
            line = (
                f"  {name}: avail {queue.avail_idx} used {queue.used_idx()} reaped "
                f"{queue.last_used}, {len(queue.chains)} with the device, kicks "
                f"{queue.nb_kicks}, calls {queue.nb_calls}"
            )
            if queue.pending() and not self.polled:
                line += "  ← used chains without a call: a lost interrupt"
            lines.append(line)
        lines += [c.describe() for c in list(self.conns.values())[:8]]
        lines += [f"    last: {h}" for h in self.log[-4:]]
        return "\n".join(lines)
