# SPDX-License-Identifier: BSD-3-Clause
"""Guests on one lcore: packets that are copied where they are found, buffers that several packets
share, and what takes the long way behind them."""

from pylib.daemon import pattern
from pylib.guest import TX
from pylib.vsock_codec import Op, Shutdown, Type

CIDS = (3, 4)
DAEMONS = {"one_lcore": {"cids": CIDS}}


def unkicked(conn, op, payload=b"", flags=0):
    """One packet that the device is not told of."""
    conn.tx_cnt += len(payload)
    conn.guest.transmit(conn.header(op, len(payload), flags), payload, kick=False)


def one_burst(rig, guest, packets):
    """The lcore sleeps while the packets are put into the ring, and finds all of them at once."""
    before = rig.daemon.telemetry("/vsock/lcores")["1"]["sleeps"]
    rig.still_works(guest)
    rig.daemon.wait_for(
        lambda: rig.daemon.telemetry("/vsock/lcores")["1"]["active_ports"] == 0
        and rig.daemon.telemetry("/vsock/lcores")["1"]["sleeps"] > before,
        "the lcore sleeps",
    )
    for packet in packets:
        unkicked(*packet)
    guest.queues[TX].kick()


def nb_data(conn):
    """Data packets that arrived."""
    return conn.ops.count(Op.RW)


def copies(rig):
    """Bytes copied and bytes delivered between guests."""
    stats = rig.daemon.telemetry("/vsock/stats")
    return stats["guest_copied_bytes"], stats["guest_payload_bytes"]


def test_small_packets_share_a_buffer(rig):
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    before = copies(rig)
    data = pattern(30 * 100)
    one_burst(rig, a, [(one, Op.RW, data[i : i + 100]) for i in range(0, len(data), 100)])
    rig.until(lambda: len(two.rx) == len(data), "data")
    assert two.rx == data
    assert nb_data(two) == 1
    after = copies(rig)
    assert after[0] - before[0] == after[1] - before[1] == len(data)


def test_messages_do_not(rig):
    """Each message of a seqpacket connection has buffers of its own."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b, Type.SEQPACKET)
    messages = [pattern(10 + i, i) for i in range(20)]
    one_burst(rig, a, [(one, Op.RW, m, 1) for m in messages])
    rig.until(lambda: len(two.messages) == len(messages), "messages")
    assert two.messages == messages
    assert nb_data(two) == len(messages)


def test_connections_take_turns(rig):
    """A buffer belongs to one connection."""
    a, b = rig.guest(3), rig.guest(4)
    pairs = [rig.guest_to_guest(a, b) for _ in range(3)]
    data = [pattern(10 * 50, i) for i in range(3)]
    one_burst(
        rig,
        a,
        [(pairs[k][0], Op.RW, data[k][i : i + 50]) for i in range(0, 500, 50) for k in range(3)],
    )
    rig.until(lambda: all(len(two.rx) == 500 for _, two in pairs), "data")
    assert [bytes(two.rx) for _, two in pairs] == data


def test_what_ends_it_comes_behind(rig):
    """SHUTDOWN and RST in the burst of the last bytes."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    one_burst(
        rig,
        a,
        [(one, Op.RW, b"last "), (one, Op.RW, b"words"), (one, Op.SHUTDOWN, b"", Shutdown.SEND)],
    )
    rig.until(lambda: two.peer_shutdown == Shutdown.SEND, "SHUTDOWN")
    assert two.rx == b"last words"
    one, two = rig.guest_to_guest(a, b)
    one_burst(rig, a, [(one, Op.RW, b"last "), (one, Op.RW, b"words"), (one, Op.RST)])
    rig.until(lambda: two.closed, "RST")
    assert two.was_reset and two.rx == b"last words"


def test_buffers_run_out_within_a_packet(rig):
    """The first bytes go the short way, the rest waits for buffers; one copy of each."""
    a, b = rig.guest(3), rig.guest(4, ring_size=4, rx_shape="apart_4096")
    one, two = rig.guest_to_guest(a, b)
    before = copies(rig)
    data = pattern(200_000)
    one_burst(
        rig,
        a,
        [
            (one, Op.RW, data[:60_000]),
            (one, Op.RW, data[60_000:60_001]),
            (one, Op.RW, data[60_001:100_000]),
        ],
    )
    rig.until(lambda: len(two.rx) == 100_000, "data")
    one.send(data[100_000:])
    rig.until(lambda: len(two.rx) == len(data), "data")
    assert two.rx == data
    after = copies(rig)
    assert after[0] - before[0] == after[1] - before[1] == len(data)


def test_nobody_is_overtaken(rig):
    """A host program and a guest stream to one guest: all bytes of both arrive."""
    a, b = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(a, b)
    program, conn = rig.host_to_guest(b)
    data = pattern(2 << 20)
    program.send(data)
    one.send(data)
    rig.until(lambda: len(conn.rx) == len(data) and len(two.rx) == len(data), "data", timeout=60)
    assert conn.rx == data and two.rx == data
