# SPDX-License-Identifier: BSD-3-Clause
"""Shares of what is finite: one guest or program cannot use up what the others need."""

import pytest

MAX_CONNS = 64
PART = MAX_CONNS // 8  # is left for the guest itself, for host programs, and for other guests


def open_many(rig, guest, nb):
    """Connections of a guest to guest 4: those that were accepted."""
    conns = [guest.connect(5000, cid=4) for _ in range(nb)]
    rig.until(lambda: all(c.open or c.closed for c in conns), "answers")
    return [c for c in conns if c.open]


def dial_many(rig, nb):
    """Connections of host programs to guest 4: those that were accepted."""
    programs = [rig.dial(5000, 4) for _ in range(nb)]
    rig.until(lambda: all(p.established or p.ended for p in programs), "answers")
    return [p for p in programs if p.established]


@pytest.mark.drops("conn_limit")
def test_connections(launch):
    """Another guest takes what it gets, then host programs, a third guest, and the guest itself."""
    rig = launch(cids=(3, 4, 5), port_args={4: {"max_conns": MAX_CONNS}})
    greedy, guest, third = rig.guest(3), rig.guest(4), rig.guest(5)
    guest.listen(5000)
    assert len(open_many(rig, greedy, MAX_CONNS)) == MAX_CONNS - 3 * PART
    assert len(open_many(rig, third, MAX_CONNS)) == PART
    assert len(dial_many(rig, MAX_CONNS)) == PART
    rig.serve(6000, 4)
    own = [guest.connect(6000) for _ in range(PART)]
    rig.until(lambda: all(c.open or c.closed for c in own), "answers")
    assert all(c.open for c in own)


@pytest.mark.drops("conn_limit")
def test_connections_of_host_programs(launch):
    """They leave a part for guests, and one for the guest itself; what ends is free again."""
    rig = launch(cids=(3, 4), port_args={4: {"max_conns": MAX_CONNS}})
    guest, other = rig.guest(4), rig.guest(3)
    guest.listen(5000)
    for _ in range(2):
        programs = dial_many(rig, MAX_CONNS)
        assert len(programs) == MAX_CONNS - 2 * PART
        conns = open_many(rig, other, MAX_CONNS)
        assert len(conns) == PART
        for program in programs:
            program.close()
        for conn in conns:
            conn.rst()
        rig.until(lambda: rig.daemon.port(4)["conns"] == 0, "the ends")


def test_turns_at_a_receiver(launch):
    """60 connections of one guest have no more turns than one connection of another guest."""
    rig = launch(cids=(3, 4, 5))
    busy, receiver, quiet = rig.guest(3), rig.guest(4, nb_rx=8), rig.guest(5)
    receiver.listen(5000)
    many = [busy.connect(5000, cid=4) for _ in range(60)]
    one = quiet.connect(5000, cid=4)
    rig.until(lambda: one.open and all(c.open for c in many), "connections")
    receiver.hold_rx = True
    for conn in many:
        conn.send(bytes(30_000))
    rig.until(lambda: not any(c.out for c in many) and not busy.backlog, "the data are sent")
    one.send(b"!")
    rig.until(lambda: quiet.idle or rig.daemon.port(5)["from_guest_packets"] >= 2, "taken")
    ends = {c.peer_cid: c for c in receiver.conns.values()}
    before = rig.daemon.port(4)["to_guest_packets"]
    receiver.hold_rx = False
    receiver.repost()
    rig.until(lambda: ends[5].rx == b"!", "the byte of the quiet guest")
    assert rig.daemon.port(4)["to_guest_packets"] - before <= 200
    rig.until(lambda: all(c.rx_cnt == 30_000 for c in receiver.conns.values() if c.peer_cid == 3))
