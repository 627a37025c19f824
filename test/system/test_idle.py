# SPDX-License-Identifier: BSD-3-Clause
"""Sleeping lcores: they use no processor time, and no wake-up is lost."""

import random
import time

import pytest
from pylib.daemon import pattern, sanitized
from pylib.vsock_codec import Op


def used(rig, seconds):
    """Processor time of the daemon over a while, as a share of one CPU."""
    before, start = rig.daemon.cpu_seconds(), time.monotonic()
    rig.loop.run(seconds)
    return (rig.daemon.cpu_seconds() - before) / (time.monotonic() - start)


def test_idle_costs_nothing(rig):
    """Guests, connections and host programs, and nothing to do."""
    guests = [rig.guest(3), rig.guest(4)]
    for guest in guests:
        for maker in ("host", "guest") * 5:
            rig.pair(guest, maker)
    rig.guest_to_guest(*guests)
    rig.loop.run(0.3)
    assert used(rig, 1.5) < 0.05


def test_idle_without_guests(rig):
    assert used(rig, 1.0) < 0.05


def test_no_busy_loop_on_ended_sockets(rig):
    """Sockets that report HUP for ever: a program that went while the guest does not read, and a
    guest that half-closed."""
    guest = rig.guest()

    def unread(conn):
        conn.auto_read = conn.auto_close = False

    host, conn = rig.host_to_guest(guest, buf_alloc=100, setup=unread)
    host.send(bytes(1000))
    rig.until(lambda: conn.rx_cnt == 100 and host.sent, "the window")
    rig.loop.remove(host)
    host.close()
    host2, conn2 = rig.host_to_guest(guest)
    host2.finish_writing()
    host3, conn3 = rig.host_to_guest(guest)
    conn3.shutdown(2)
    host4, conn4 = rig.host_to_guest(guest)
    conn4.shutdown(1)
    host5, conn5 = rig.host_to_guest(guest)
    host5.reading = False
    conn5.send(bytes(2_000_000))
    rig.loop.run(0.5)
    assert used(rig, 1.0) < 0.1
    assert conn2.open and conn3.open and conn4.open and conn5.out


def test_guest_without_buffers_costs_nothing(rig):
    """Packets wait for a guest that posts no buffers."""
    guest, other = rig.guest(3, nb_rx=4), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    one, _ = rig.guest_to_guest(other, guest)
    guest.hold_rx = True
    host.send(bytes(200_000))
    one.send(bytes(200_000))
    rig.loop.run(0.5)
    assert used(rig, 1.0) < 0.1
    guest.hold_rx = False
    guest.repost()
    rig.until(lambda: conn.rx_cnt == 200_000, "data")


@pytest.mark.parametrize("event_idx", [False, True], ids=["flags", "event_idx"])
def test_no_wake_up_is_lost(launch, event_idx):
    """Kicks and host writes around the moment at which the lcore goes to sleep."""
    rig = launch(cids=(3, 4), app=("--idle", "adaptive", "--spin-us", "100"))
    guest, other = rig.guest(3, event_idx=event_idx), rig.guest(4, event_idx=event_idx)
    host, conn = rig.host_to_guest(guest)
    one, two = rig.guest_to_guest(guest, other)
    rnd = random.Random(1)
    rounds = 100 if sanitized() else 400
    for i in range(rounds):
        end = time.perf_counter() + rnd.uniform(0.00002, 0.0004)
        while time.perf_counter() < end:
            pass
        way = i % 4
        if way == 0:
            host.send(b"h")
        elif way == 1:
            conn.send(b"g")
        elif way == 2:
            one.send(b"1")
        else:
            two.send(b"2")
        rig.until(
            lambda: (len(conn.rx), len(host.rx), len(two.rx), len(one.rx))
            == tuple((i + 4 - w) // 4 for w in range(4)),
            f"round {i}",
            timeout=20,
        )


def test_no_wake_up_is_lost_across_lcores(launch):
    rig = launch(
        cids=(3, 4),
        eal=("--lcores", "0@0,1@1,2@0"),
        app=("--idle", "adaptive", "--spin-us", "50"),
        port_args={3: {"lcore": 1}, 4: {"lcore": 2}},
    )
    guest, other = rig.guest(3), rig.guest(4)
    one, two = rig.guest_to_guest(guest, other)
    rnd = random.Random(2)
    for i in range(300):
        time.sleep(rnd.uniform(0, 0.0003))
        (one if i & 1 else two).send(b"x")
        rig.until(lambda: len(two.rx) + len(one.rx) == i + 1, f"round {i}", timeout=20)
    rig.loop.run(0.3)
    assert used(rig, 1.0) < 0.05


def test_spin(launch):
    """--idle spin keeps its CPU, serves the same, and asks for no kicks."""
    rig = launch(cids=(3,), app=("--idle", "spin"))
    guest = rig.guest(3)
    rig.still_works(guest)
    host, conn = rig.host_to_guest(guest)
    data = pattern(1_000_000)
    kicks = guest.queues[1].nb_kicks
    conn.send(data)
    host.send(data)
    rig.until(lambda: len(host.rx) == len(data) and len(conn.rx) == len(data), "data")
    assert host.rx == data and conn.rx == data
    assert guest.queues[1].nb_kicks - kicks <= 1
    assert used(rig, 0.5) > 0.1


def test_adaptive_asks_for_kicks_only_when_it_sleeps(rig):
    """In a bulk transfer few kicks are asked for."""
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.max_packet = 1000
    kicks = guest.queues[1].nb_kicks
    sent = len(conn.log)
    conn.send(bytes(4_000_000))
    rig.until(lambda: len(host.rx) == 4_000_000, "data")
    assert guest.queues[1].nb_kicks - kicks < 2000
    assert Op.RST not in conn.ops and len(conn.log) >= sent
