# SPDX-License-Identifier: BSD-3-Clause
"""Credit in both directions.  Every packet that a guest of these tests receives is checked against
what it advertised (guest.Conn), so that a transfer alone is already a test."""

import time

import pytest
from pylib.daemon import pattern, sanitized
from pylib.vsock_codec import HEADER_LEN, U32, Header, Op

MAKERS = pytest.mark.parametrize("maker", ["host", "guest"])


def unread(conn):
    """Setup of a connection whose guest program does not read by itself."""
    conn.auto_read = False


def stands_still(rig, value, seconds=0.1):
    """Run until value() has not changed for a while; return it."""
    last, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        rig.loop.step(0.02)
        if value() != last:
            last, since = value(), time.monotonic()
    return last


@MAKERS
@pytest.mark.parametrize("buf_alloc", [1, 100, 3733, 65537])
def test_never_past_the_guests_credit(rig, buf_alloc, maker):
    """Exactly what the guest has room for arrives; the rest as it makes room."""
    guest = rig.guest()
    if maker == "host":
        host, conn = rig.host_to_guest(guest, buf_alloc=buf_alloc, setup=unread)
    else:
        host, conn = rig.guest_to_host(guest, buf_alloc=buf_alloc)
        unread(conn)
    data = pattern(min(400_000, buf_alloc * 50))
    host.send(data)
    rig.until(lambda: conn.rx_cnt == buf_alloc, "the first window")
    got = bytearray()
    while len(got) < len(data):
        assert stands_still(rig, lambda: conn.rx_cnt, 0.02) - conn.fwd_cnt <= buf_alloc
        got += conn.read()
        rig.until(lambda: conn.rx or len(got) == len(data), "more")
    assert got == data


def test_no_credit_at_all(rig):
    """buf_alloc 0: nothing comes until there is room."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, buf_alloc=0)
    host.send(b"waiting")
    rig.loop.run(0.1)
    assert not conn.rx_cnt
    conn.buf_alloc = 100
    conn.credit_update()
    rig.until(lambda: conn.rx == b"waiting", "data")


def test_guest_shrinks_its_buffer(rig):
    """Fewer bytes of room than are under way count as none, not as four billion."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, buf_alloc=64 * 1024, setup=unread)
    data = pattern(600_000)
    host.send(data)
    rig.until(lambda: conn.rx_cnt == 64 * 1024, "the first window")
    for size in (1000, 0, 64 * 1024 - 1):
        conn.buf_alloc = size
        conn.credit_update()
        rig.until(lambda: guest.idle, "update taken")
        rig.loop.run(0.03)
        assert conn.rx_cnt == 64 * 1024
    conn.buf_alloc = 128 * 1024
    conn.credit_update()
    rig.until(lambda: conn.rx_cnt == 128 * 1024, "the larger window")
    conn.auto_read = True
    conn.consumed(conn.rx_cnt)
    rig.until(lambda: len(conn.rx) == len(data), "the rest")
    assert conn.rx == data


@pytest.mark.parametrize("lie", [1, 1000, 1 << 31, U32 - 1])
def test_guest_claims_to_have_read_what_was_never_sent(rig, lie):
    """A fwd_cnt ahead of what was sent gives no credit beyond buf_alloc, and does no harm."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest, buf_alloc=1000, setup=unread)
    guest_view = conn.header(Op.CREDIT_UPDATE, fwd_cnt=lie)
    guest.transmit(guest_view)
    rig.until(lambda: guest.idle, "taken")
    host.send(pattern(5000))
    got = stands_still(rig, lambda: conn.rx_cnt)
    assert conn.closed or got <= 1000
    if conn.open:
        conn.credit_update()
        conn.auto_read = True
        conn.consumed(len(conn.rx))
        rig.until(lambda: len(conn.rx) == 5000 or conn.closed, "the rest")
    rig.still_works(guest)


@MAKERS
def test_credit_request_is_answered(rig, maker):
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    conn.send(b"x" * 1234)
    rig.until(lambda: len(host.rx) == 1234, "data")
    conn.raw(Op.CREDIT_REQUEST)
    rig.until(lambda: Op.CREDIT_UPDATE in conn.ops, "CREDIT_UPDATE")
    head = next(h for h in conn.log if h.op == Op.CREDIT_UPDATE)
    assert head.buf_alloc == 256 * 1024 and head.fwd_cnt == 1234 and head.len == 0


def test_many_credit_requests(rig):
    """More questions than there are buffers for answers: one answer may serve several, and what is
    true behind the last question is said."""
    guest = rig.guest(nb_rx=2)
    host, conn = rig.host_to_guest(guest)
    for i in range(300):
        conn.raw(Op.RW, b"x")
        conn.raw(Op.CREDIT_REQUEST)
    rig.until(lambda: guest.idle and len(host.rx) == 300 and conn.peer_fwd_cnt == 300, "answers")
    assert 1 <= conn.ops.count(Op.CREDIT_UPDATE) <= 300


@MAKERS
@pytest.mark.parametrize("packet", [1, 700, 65536])
def test_slow_host_program(rig, packet, maker):
    """A program that does not read: the guest stops at its credit, the daemon holds no more than it
    advertised, and every byte arrives in the end."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    host.reading = False
    conn.max_packet = packet
    if packet == 1:
        conn.max_packet = 64
    data = pattern(1_500_000)
    before = rig.daemon.resident()
    conn.send(data)
    rig.loop.steady(lambda: not conn.credit(), "no credit left")
    taken = conn.tx_cnt
    # The window, and what the kernel's socket took (by default some 200 KiB, more if raised).
    assert 256 * 1024 <= taken < len(data)
    assert sanitized() or rig.daemon.resident() - before < 16 << 20
    host.reading = True
    rig.until(lambda: len(host.rx) == len(data), "everything")
    assert host.rx == data


def test_slow_program_does_not_slow_others(rig):
    guest = rig.guest()
    slow, clogged = rig.host_to_guest(guest)
    slow.reading = False
    clogged.send(bytes(1_500_000))
    rig.loop.steady(lambda: not clogged.credit(), "no credit left")
    host, conn = rig.host_to_guest(guest)
    conn.send(pattern(2_000_000))
    host.send(pattern(2_000_000))
    rig.until(lambda: len(host.rx) == 2_000_000 and len(conn.rx) == 2_000_000, "the other's data")


@pytest.mark.drops("over_credit")
@MAKERS
def test_guest_sends_past_its_credit(rig, maker):
    """RST; the program reads a true beginning of the stream and then its end, never a hole."""
    guest = rig.guest()
    host, conn = rig.pair(guest, maker)
    host.reading = False
    data = pattern(3_000_000)
    at = 0
    while at < len(data) and not conn.closed:
        conn.raw(Op.RW, data[at : at + 65536])
        at += 65536
        rig.loop.step(0)
    rig.until(lambda: conn.closed, "RST")
    assert conn.was_reset
    host.reading = True
    rig.until(lambda: host.ended, "end")
    assert data.startswith(bytes(host.rx))
    rig.still_works(guest)


@pytest.mark.parametrize(
    "text,size", [("4K", 4096), ("64K", 65536), ("100000", 100_000), ("16M", 16 << 20)]
)
def test_buf_alloc_devarg(launch, text, size):
    """The window that is advertised is the window that holds."""
    rig = launch(port_args={3: {"buf_alloc": text}})
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    assert conn.peer_buf_alloc == size
    host2, conn2 = rig.guest_to_host(guest)
    assert conn2.peer_buf_alloc == size
    data = pattern(1_000_000)
    conn.send(data)
    conn2.send(data)
    rig.until(lambda: len(host.rx) == len(data) and len(host2.rx) == len(data), "data")
    assert host.rx == data and host2.rx == data


def same(data, nb_bytes, want, at, thorough):
    """Compare `data` with want[at:]; the borders always, all of it when `thorough`."""
    if thorough:
        return bytes(data[:nb_bytes]) == want[at : at + nb_bytes]
    edge = min(64, nb_bytes)
    last = at + nb_bytes
    return (
        bytes(data[:edge]) == want[at : at + edge]
        and bytes(data[nb_bytes - edge : nb_bytes]) == want[last - edge : last]
    )


def wrap_from_guest(rig, guest, host, conn, total):
    """Send `total` bytes as fast as this language goes: the same buffers again and again."""
    rig.until(lambda: guest.idle, "RESPONSE taken")
    queue = guest.queues[1]
    block = pattern(65536)
    slots = []
    for _ in range(32):
        gpa = guest.mem.alloc(HEADER_LEN + 65536)
        guest.mem.write(gpa + HEADER_LEN, block)
        slots.append(gpa)
    buf = bytearray(1 << 20)
    view = memoryview(buf)
    want = block * 17
    received = sent = nb_reads = 0
    host.reading = False
    end = time.monotonic() + 300
    while received < total:
        assert time.monotonic() < end, rig.loop.report()
        while slots and sent < total and conn.credit() >= 65536:
            gpa = slots.pop()
            guest.mem.write(gpa, conn.header(Op.RW, 65536).pack())
            conn.sent_fwd_cnt = conn.fwd_cnt
            queue.add(out=[(gpa, HEADER_LEN + 65536)], token=gpa)
            conn.tx_cnt = (conn.tx_cnt + 65536) % U32
            sent += 65536
        queue.kick()
        try:
            nb_bytes = host.sock.recv_into(view)
        except BlockingIOError:
            nb_bytes = 0
        assert same(
            view,
            nb_bytes,
            want,
            received % 65536,
            not nb_reads % 16 or received > total - (128 << 20),
        )
        nb_reads += 1
        received += nb_bytes
        for chain, _ in queue.reap():
            slots.append(chain.token)
        if not nb_bytes:
            guest.queues[0].take_call()
            guest.work(guest.queues[0])


@pytest.mark.skipif(sanitized(), reason="four gigabytes take too long with a sanitizer")
def test_counters_wrap_from_guest(rig):
    """The 32-bit counters of the direction guest → host wrap after 4 GiB."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    wrap_from_guest(rig, guest, host, conn, (4 << 30) + (64 << 20))
    assert conn.tx_cnt == 64 << 20
    (row,) = (r for k, r in rig.daemon.telemetry("/vsock/conns,3").items() if k != "next")
    assert row["rx_bytes"] == (4 << 30) + (64 << 20), "telemetry does not wrap"
    host.reading = True
    conn.raw(Op.CREDIT_REQUEST)
    rig.until(lambda: Op.CREDIT_UPDATE in conn.ops and conn.peer_fwd_cnt == conn.tx_cnt, "credit")


@pytest.mark.skipif(sanitized(), reason="four gigabytes take too long with a sanitizer")
def test_counters_wrap_to_guest(rig):
    """And of the direction host → guest."""
    guest = rig.guest(rx_shape="large", nb_rx=32)
    host, conn = rig.host_to_guest(guest, buf_alloc=1 << 20)
    total = (4 << 30) + (64 << 20)
    block = pattern(1 << 20)
    twice = block + block[:65536]
    queue = guest.queues[0]
    rig.loop.remove(guest)
    rig.loop.remove(host)
    received = sent = nb_packets = 0
    end = time.monotonic() + 300
    while received < total:
        assert time.monotonic() < end, guest.describe()
        try:
            while sent < total:
                sent += host.sock.send(memoryview(block)[sent % (1 << 20) :][: total - sent])
        except BlockingIOError:
            pass
        for chain, nb_bytes in queue.reap():
            ((gpa, size),) = chain.token
            head = Header.unpack(guest.mem.read(gpa, HEADER_LEN))
            if head.op == Op.RW:
                assert head.len == nb_bytes - HEADER_LEN
                at = received % (1 << 20)
                region = guest.mem.regions[0]
                start = gpa - region.gpa + HEADER_LEN
                assert same(
                    region.bytes[start : start + head.len],
                    head.len,
                    twice,
                    at,
                    not nb_packets % 16 or received > total - (128 << 20),
                )
                nb_packets += 1
                received += head.len
                conn.rx_cnt = conn.fwd_cnt = received % U32
                if (conn.fwd_cnt - conn.sent_fwd_cnt) % U32 >= 256 * 1024:
                    conn.credit_update()
            queue.add(inn=[(gpa, size)], token=chain.token)
        queue.kick()
        guest.work(guest.queues[1])
        if not queue.pending():
            queue.take_call()
            if not queue.pending():
                guest.queues[0].want_interrupts(True)
                if not queue.pending():
                    time.sleep(0)
    assert received == total
    (row,) = (r for k, r in rig.daemon.telemetry("/vsock/conns,3").items() if k != "next")
    assert row["tx_bytes"] == total, "telemetry does not wrap"
    rig.loop.add(guest)
    rig.loop.add(host)
