# SPDX-License-Identifier: BSD-3-Clause
"""A vsock connection as a guest sees it: state, credit both ways, and the rules that every packet
of it must keep."""

from collections import deque

from pylib.vsock_codec import MAX_PAYLOAD, U32, Header, Op, Seq, Shutdown, Type, credit


class Violation(AssertionError):
    """The back end sent something that it must not."""


class Conn:
    """One connection as the guest sees it.

    auto_read: what arrives counts as read at once; else it waits for read().
    auto_credit: a CREDIT_UPDATE goes out when half the window was read (or 64 KiB, if less).
    auto_close: a SHUTDOWN of both directions is answered with RST, as a driver does.
    capped: keep no more in flight than the own buffer, as Linux does since CVE-2026-23086.
    late_credit: tell of credit only when less than 64 KiB of the window are known to be free, as
    Linux does up to 6.7.
    """

    def __init__(self, guest, local_port, peer_cid, peer_port, kind, buf_alloc):
        self.guest = guest
        self.local_port = local_port
        self.peer_cid = peer_cid
        self.peer_port = peer_port
        self.kind = kind
        self.state = "connecting"
        self.was_reset = False
        self.peer_shutdown = 0
        self.log = []
        # towards us
        self.buf_alloc = buf_alloc
        self.rx_cnt = 0
        self.fwd_cnt = 0
        self.sent_fwd_cnt = 0
        self.allowed = buf_alloc
        self.rx = bytearray()
        self.messages = []
        self.message_flags = []
        self.partial = bytearray()
        # towards the peer
        self.peer_buf_alloc = 0
        self.peer_fwd_cnt = 0
        self.tx_cnt = 0
        self.out = deque()
        self.shutdown_after = 0
        self.max_packet = MAX_PAYLOAD
        self.shape = None
        self.auto_read = True
        self.auto_credit = True
        self.auto_close = True
        self.capped = False
        self.late_credit = False

    @property
    def key(self):
        """Where the guest files it."""
        return (self.local_port, self.peer_cid, self.peer_port)

    @property
    def open(self):
        """Established, and neither reset nor closed."""
        return self.state == "open"

    @property
    def closed(self):
        """Over."""
        return self.state == "closed"

    @property
    def ops(self):
        """Operations received so far."""
        return [h.op for h in self.log]

    def header(self, op, nb_bytes=0, flags=0, **changes):
        """A header of this connection with its current credit."""
        head = Header(
            self.guest.cid,
            self.peer_cid,
            self.local_port,
            self.peer_port,
            nb_bytes,
            self.kind,
            op,
            flags,
            self.buf_alloc,
            self.fwd_cnt,
        )
        return head.but(**changes)

    def raw(self, op, payload=b"", flags=0, **changes):
        """Send one packet as it is, regardless of state and credit."""
        if op == Op.RW:
            self.tx_cnt = (self.tx_cnt + len(payload)) % U32
        self.sent_fwd_cnt = self.fwd_cnt
        self.allowed = max(self.allowed, self.buf_alloc)
        self.guest.transmit(self.header(op, len(payload), flags, **changes), payload, self.shape)

    def credit(self):
        """Bytes that the peer has room for."""
        window = self.peer_buf_alloc
        if self.capped:
            window = min(window, self.buf_alloc)
        return credit(window, self.tx_cnt, self.peer_fwd_cnt)

    def send(self, data, flags=None):
        """Queue bytes (seqpacket: one message) and send what credit allows."""
        if flags is None:
            flags = Seq.EOM if self.kind == Type.SEQPACKET else 0
        self.out.append([memoryview(bytes(data)), flags])
        self.flush()

    def flush(self):
        """Send what credit, and room in the ring, allow."""
        if self.state != "open":
            return
        while self.out and not self.guest.backlog:
            data, flags = self.out[0]
            nb_bytes = min(len(data), self.max_packet, self.credit())
            if nb_bytes == 0 and len(data):
                return
            last = nb_bytes == len(data)
            self.raw(Op.RW, bytes(data[:nb_bytes]), flags if last else 0)
            if last:
                self.out.popleft()
            else:
                self.out[0][0] = data[nb_bytes:]
        if self.shutdown_after and not self.out:
            flags, self.shutdown_after = self.shutdown_after, 0
            self.raw(Op.SHUTDOWN, flags=flags)

    @property
    def sent(self):
        """Has everything been handed to the device?"""
        return not self.out and not self.shutdown_after

    def shutdown(self, flags):
        """Send SHUTDOWN behind what is queued."""
        self.shutdown_after |= int(flags)
        self.flush()

    def rst(self):
        """Reset it from here."""
        self.raw(Op.RST)
        self.finish()

    def credit_update(self):
        """Tell the peer about our room."""
        self.raw(Op.CREDIT_UPDATE)

    def read(self, nb_bytes=None):
        """Take bytes that arrived; with auto_read they have been accounted for already."""
        nb_bytes = len(self.rx) if nb_bytes is None else nb_bytes
        data = bytes(self.rx[:nb_bytes])
        del self.rx[:nb_bytes]
        if not self.auto_read:
            self.consumed(len(data))
        return data

    def consumed(self, nb_bytes):
        """Room became free."""
        self.fwd_cnt = (self.fwd_cnt + nb_bytes) % U32
        unsaid = (self.fwd_cnt - self.sent_fwd_cnt) % U32
        if self.late_credit and self.buf_alloc - unsaid >= 65536:
            return
        if self.auto_credit and self.open and unsaid >= max(1, min(65536, self.buf_alloc // 2)):
            self.credit_update()

    def finish(self):
        """No packet may come for it any more but RST."""
        self.state = "closed"
        self.guest.conns.pop(self.key, None)
        self.guest.finished.append(self)

    # --- what arrives

    def receive(self, head, payload):
        """Handle one packet of this connection."""
        self.log.append(head)
        if head.type != self.kind:
            raise Violation(f"{head}: wrong type")
        moved = (head.fwd_cnt - self.peer_fwd_cnt) % U32
        if head.op != Op.RST:
            if moved > (self.tx_cnt - self.peer_fwd_cnt) % U32:
                raise Violation(
                    f"{head}: fwd_cnt of bytes never sent (tx_cnt {self.tx_cnt}, "
                    f"last fwd_cnt {self.peer_fwd_cnt})"
                )
            self.peer_buf_alloc = head.buf_alloc
            self.peer_fwd_cnt = head.fwd_cnt
        if self.state == "connecting" and head.op == Op.REQUEST:
            # The two requests have crossed. Linux gives up, too.
            self.raw(Op.RST)
            self.was_reset = True
            self.finish()
            return
        if self.state == "connecting" and head.op not in (Op.RESPONSE, Op.RST):
            raise Violation(f"{head}: before the connection is established")
        handler = {
            Op.RESPONSE: self._response,
            Op.RST: self._rst,
            Op.SHUTDOWN: self._shutdown,
            Op.RW: self._rw,
            Op.CREDIT_UPDATE: lambda head, payload: None,
            Op.CREDIT_REQUEST: lambda head, payload: self.credit_update(),
        }.get(head.op)
        if handler is None:
            raise Violation(f"{head}: not an operation of a connection")
        handler(head, payload)
        self.flush()

    def _response(self, head, _payload):
        if self.state != "connecting":
            raise Violation(f"{head}: in state {self.state}")
        self.state = "open"

    def _rst(self, _head, _payload):
        self.was_reset = True
        self.finish()

    def _shutdown(self, head, _payload):
        if not head.flags or head.flags & ~3:
            raise Violation(f"{head}: flags")
        self.peer_shutdown |= head.flags
        if self.peer_shutdown == Shutdown.BOTH and self.auto_close:
            self.raw(Op.RST)
            self.finish()

    def _rw(self, head, payload):
        if self.peer_shutdown & Shutdown.SEND:
            raise Violation(f"{head}: after the peer said that it will not send")
        self.rx_cnt = (self.rx_cnt + len(payload)) % U32
        if (self.rx_cnt - self.sent_fwd_cnt) % U32 > self.allowed:
            raise Violation(
                f"{head}: over the credit: {self.allowed} from {self.sent_fwd_cnt}, "
                f"received {self.rx_cnt}"
            )
        if self.kind == Type.SEQPACKET:
            self.partial += payload
            if head.flags & Seq.EOM:
                self.messages.append(bytes(self.partial))
                self.message_flags.append(head.flags)
                self.partial.clear()
        else:
            if head.flags:
                raise Violation(f"{head}: flags on a stream")
            self.rx += payload
        if self.auto_read:
            self.consumed(len(payload))

    def describe(self):
        """For error reports."""
        ops = " ".join(str(int(op)) for op in self.ops[-12:])
        return (
            f"    conn {self.local_port}>{self.peer_cid}:{self.peer_port} {self.state} "
            f"rx={self.rx_cnt} fwd={self.fwd_cnt} tx={self.tx_cnt} credit={self.credit()} "
            f"queued={sum(len(d) for d, _ in self.out)} last ops: {ops}"
        )


class Listener:
    """A port on which the guest takes connections."""

    def __init__(self, port, kind, accept, buf_alloc, setup):
        self.port = port
        self.kind = kind
        self.accept = accept
        self.buf_alloc = buf_alloc
        self.setup = setup
        self.conns = []
        self.requests = []
