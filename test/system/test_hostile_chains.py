# SPDX-License-Identifier: BSD-3-Clause
"""A guest whose driver lies about descriptor chains and lengths.  Each lie is counted by its name
and costs the liar the chain, which comes back on the used ring."""

import pytest
from pylib.guest import RX, TX
from pylib.hostile import END, GOOD, table
from pylib.virtqueue import DESC_INDIRECT, DESC_NEXT, DESC_WRITE
from pylib.vsock_codec import HEADER_LEN, Op

N, W, IND = DESC_NEXT, DESC_WRITE, DESC_INDIRECT


# Chains of the guest: name → function(guest, slots) → [(slot, addr, bytes, flags, next)].
# `slots` are descriptors that the guest owns; the chain starts at slots[0].
CHAINS = {
    "loop_on_itself": lambda g, s: [(s[0], GOOD, 44, N, s[0])],
    "loop_of_two": lambda g, s: [(s[0], GOOD, 44, N, s[1]), (s[1], GOOD, 44, N, s[0])],
    "next_out_of_range": lambda g, s: [(s[0], GOOD, 44, N, 128)],
    "next_far_out_of_range": lambda g, s: [(s[0], GOOD, 44, N, 0xFFFF)],
    "address_0": lambda g, s: [(s[0], 0, 44, 0, 0)],
    "address_nowhere": lambda g, s: [(s[0], 0xDEAD00000000, 44, 0, 0)],
    "address_wraps": lambda g, s: [(s[0], 2**64 - 10, 44, 0, 0)],
    "address_of_the_front_end": lambda g, s: [(s[0], g.mem.uva(GOOD), 44, 0, 0)],
    "before_memory": lambda g, s: [(s[0], 0x10000 - 10, 44, 0, 0)],
    "past_memory": lambda g, s: [(s[0], END - 10, 44, 0, 0)],
    "at_the_end_of_memory": lambda g, s: [(s[0], END, 44, 0, 0)],
    "length_of_4_gib": lambda g, s: [(s[0], GOOD, 0xFFFFFFFF, 0, 0)],
    "second_segment_nowhere": lambda g, s: [
        (s[0], GOOD, 44, N, s[1]),
        (s[1], 0xDEAD00000000, 100, 0, 0),
    ],
    "writable_for_tx": lambda g, s: [(s[0], GOOD, 44, W, 0)],
    "writable_after_readable": lambda g, s: [(s[0], GOOD, 44, N, s[1]), (s[1], GOOD, 44, W, 0)],
    "readable_after_writable": lambda g, s: [(s[0], GOOD, 44, W | N, s[1]), (s[1], GOOD, 44, 0, 0)],
    "empty": lambda g, s: [(s[0], GOOD, 0, 0, 0)],
    "empty_twice": lambda g, s: [(s[0], GOOD, 0, N, s[1]), (s[1], GOOD, 0, 0, 0)],
}
INDIRECT = {
    "table_of_nothing": lambda g, s: [(s[0], GOOD, 0, IND, 0)],
    "table_not_a_multiple": lambda g, s: [(s[0], table(g, (GOOD, 44, 0, 0)), 24, IND, 0)],
    "table_too_short": lambda g, s: [(s[0], table(g, (GOOD, 44, 0, 0)), 8, IND, 0)],
    "table_nowhere": lambda g, s: [(s[0], 0xDEAD00000000, 32, IND, 0)],
    "table_past_memory": lambda g, s: [(s[0], END - 16, 32, IND, 0)],
    "table_of_4_gib": lambda g, s: [(s[0], GOOD, 0xFFFFFFF0, IND, 0)],
    "table_in_a_table": lambda g, s: [
        (s[0], table(g, (table(g, (GOOD, 44, 0, 0)), 16, IND, 0)), 16, IND, 0)
    ],
    "table_with_next": lambda g, s: [
        (s[0], table(g, (GOOD, 44, 0, 0)), 16, IND | N, s[1]),
        (s[1], GOOD, 44, 0, 0),
    ],
    "next_out_of_table": lambda g, s: [(s[0], table(g, (GOOD, 44, N, 1)), 16, IND, 0)],
    "loop_in_the_table": lambda g, s: [
        (s[0], table(g, (GOOD, 44, N, 1), (GOOD, 44, N, 0)), 32, IND, 0)
    ],
    "address_nowhere_in_the_table": lambda g, s: [
        (s[0], table(g, (0xDEAD00000000, 44, 0, 0)), 16, IND, 0)
    ],
    "writable_in_the_table": lambda g, s: [(s[0], table(g, (GOOD, 44, W, 0)), 16, IND, 0)],
}


def offer(guest, ring, descs, slots):
    """Put a chain that the test wrote itself on a ring, kicked."""
    queue = guest.queues[ring]
    for desc in descs:
        queue.set_desc(*desc)
    queue.track(slots)
    queue.push_head(slots[0])
    queue.kick(force=True)


def returned(rig, guest, slots):
    """The chain must come back, with no byte written."""
    rig.until(lambda: guest.returned, "the refused chain on the used ring")
    assert guest.returned == [(slots[0], 0)]
    guest.returned.clear()


@pytest.mark.drops("bad_chain")
@pytest.mark.parametrize("name", [*CHAINS, *INDIRECT])
def test_bad_chain_from_the_guest(rig, name):
    """Refused, returned, counted; packets before and behind it are not affected."""
    guest = rig.guest(indirect=name in INDIRECT)
    host, conn = rig.host_to_guest(guest)
    conn.send(b"before")
    slots = guest.queues[TX].take_slots(2)
    offer(guest, TX, {**CHAINS, **INDIRECT}[name](guest, slots), slots)
    conn.send(b" and behind")
    returned(rig, guest, slots)
    rig.until(lambda: host.rx == b"before and behind", "data around it")
    rig.still_works(guest)


@pytest.mark.drops("bad_chain")
def test_indirect_that_was_not_negotiated(rig):
    guest = rig.guest(indirect=False)
    slots = guest.queues[TX].take_slots(1)
    offer(guest, TX, [(slots[0], table(guest, (GOOD, 44, 0, 0)), 16, IND, 0)], slots)
    returned(rig, guest, slots)
    rig.still_works(guest)


RX_CHAINS = {
    "readable_for_rx": lambda g, s: [(s[0], GOOD, 4096, 0, 0)],
    "loop": lambda g, s: [(s[0], GOOD, 10, W | N, s[0])],
    "nowhere": lambda g, s: [(s[0], 0xDEAD00000000, 4096, W, 0)],
    "past_memory": lambda g, s: [(s[0], END - 10, 4096, W, 0)],
    "readable_first": lambda g, s: [(s[0], GOOD, 44, N, s[1]), (s[1], GOOD, 4096, W, 0)],
}


@pytest.mark.drops("rx_bad_chain")
@pytest.mark.parametrize("name", RX_CHAINS)
def test_bad_chain_for_the_guest(rig, name):
    """A bad RX buffer costs the guest that buffer, not the packet."""
    guest = rig.guest(nb_rx=0)
    slots = guest.queues[RX].take_slots(2)
    offer(guest, RX, RX_CHAINS[name](guest, slots), slots)
    guest.nb_rx = 16
    guest.fill()
    rig.still_works(guest)
    returned(rig, guest, slots)


@pytest.mark.drops("rx_too_small")
@pytest.mark.parametrize("nb_bytes", [1, 43])
def test_tiny_buffer_for_the_guest(rig, nb_bytes):
    """No room for a header: returned unused, and nothing is written to it."""
    guest = rig.guest(nb_rx=0)
    region = guest.mem.add_region(0x300000000, 4096)
    guest.front.set_mem_table(guest.mem.regions)
    slots = guest.queues[RX].take_slots(2)
    offer(guest, RX, [(slots[0], region.gpa, nb_bytes, W, 0)], slots)
    guest.nb_rx = 16
    guest.fill()
    rig.still_works(guest)
    returned(rig, guest, slots)
    assert guest.mem.read(region.gpa, 4096) == bytes(4096)


@pytest.mark.drops("rx_too_small")
def test_buffer_for_a_header_alone(rig):
    """44 bytes serve a packet without payload; data needs a larger one and does not wait for it."""
    guest = rig.guest(nb_rx=4)
    host, conn = rig.host_to_guest(guest)
    guest.hold_rx = True
    data = bytes(6 * 3732)
    host.send(data)
    rig.until(lambda: not guest.queues[RX].chains, "all buffers used")
    slots = guest.queues[RX].take_slots(1)
    offer(guest, RX, [(slots[0], GOOD, 44, W, 0)], slots)
    guest.hold_rx = False
    guest.repost()
    rig.until(lambda: len(conn.rx) == len(data), "data")
    returned(rig, guest, slots)


@pytest.mark.drops("short_header")
@pytest.mark.parametrize("nb_bytes", [1, 20, 43])
def test_chain_shorter_than_a_header(rig, nb_bytes):
    guest = rig.guest()
    slots = guest.queues[TX].take_slots(1)
    offer(guest, TX, [(slots[0], GOOD, nb_bytes, 0, 0)], slots)
    returned(rig, guest, slots)
    rig.still_works(guest)


@pytest.mark.drops("bad_len")
@pytest.mark.parametrize(
    "length,chain",
    [
        (101, 100),
        (1, 0),
        (65536, 100),
        (65537, 65537),
        (70000, 70000),
        (0xFFFFFFFF, 100),
        (0x80000000, 0),
    ],
)
def test_len_that_lies(rig, length, chain):
    """More than the chain holds, or more than a packet may have: nothing of it is delivered."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    head = conn.header(Op.RW, length)
    gpa = guest.mem.alloc(HEADER_LEN + chain)
    guest.mem.write(gpa, head.pack())
    guest.queues[TX].add(out=[(gpa, HEADER_LEN + chain)], token=[(gpa, HEADER_LEN + chain)])
    guest.queues[TX].kick()
    rig.until(lambda: guest.idle, "chain back")
    rig.loop.run(0.03)
    assert not host.rx
    rig.still_works(guest)
