# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once: guests and host programs do random things in an order that a seed gives.

In all cases an end receives a beginning of what its peer sent, message borders
included; connections that were not ended receive all of it; nothing is left over.
"""

import random

import pytest
from pylib.daemon import pattern, sanitized
from pylib.vsock_codec import Shutdown, Type

CIDS = (3, 4, 5)
DAEMONS = {
    "one_lcore": {"cids": CIDS},
    "two_lcores": {
        "cids": CIDS,
        "eal": ("--lcores", "0@0,1@1,2@0"),
        "port_args": {3: {"lcore": 1}, 4: {"lcore": 2}, 5: {"lcore": 1}},
    },
}
SIZES = (1, 44, 100, 3732, 3733, 20_000, 65_536, 150_000)
BLOCK = pattern(1 << 20, "chaos")


class End:
    """One end of a connection: what it sent, and a check of what it received."""

    def __init__(self, conn, is_host):
        self.conn = conn
        self.is_host = is_host
        self.sent = []
        self.may_send = True
        self.offset = 0

    @property
    def over(self):
        """Has the peer ended it?"""
        return self.conn.ended or self.conn.closed if self.is_host else self.conn.closed

    def send(self, size):
        """Send bytes that no other place of the stream has."""
        self.offset = (self.offset + 7919) % (len(BLOCK) - size)
        data = BLOCK[self.offset : self.offset + size]
        self.sent.append(data)
        self.conn.send(data)

    def stop_sending(self):
        """Half-close."""
        self.may_send = False
        if self.is_host:
            self.conn.finish_writing()
        else:
            self.conn.shutdown(Shutdown.SEND)

    def close(self):
        """Close in order."""
        self.may_send = False
        if self.is_host:
            self.conn.close()
        else:
            self.conn.shutdown(Shutdown.BOTH)


class Pair:
    """A connection under test."""

    def __init__(self, kind, guests, find_ends):
        self.kind = kind
        self.guests = guests
        self.find_ends = find_ends
        self.ends = None
        self.disturbed = False

    def complete(self):
        """Both ends are there and agree."""
        if self.ends is None and not self.disturbed:
            self.ends = self.find_ends()
        return self.ends is not None

    def check(self, everything=False):
        """Has each end received a beginning of what the other sent, or all of it?"""
        for one, two in (self.ends, self.ends[::-1]):
            if self.kind == Type.SEQPACKET:
                got = one.conn.messages
                good = got == two.sent if everything else got == two.sent[: len(got)]
            else:
                sent = b"".join(two.sent)
                good = one.conn.rx == sent if everything else sent.startswith(bytes(one.conn.rx))
            if everything and not good:
                return False
            assert good, "bytes that were not sent, or not in this order"
        return True


class Chaos:
    """The players and what they may do."""

    def __init__(self, rig, seed):
        self.rig = rig
        self.rnd = random.Random(seed)
        self.guests = {}
        self.pairs = []
        self.ports = iter(range(2000, 100_000))
        self.stopped = set()
        for cid in CIDS:
            self.plug(cid)

    def plug(self, cid):
        """A guest comes, with features and buffers of its own."""
        rnd = self.rnd
        self.guests[cid] = self.rig.guest(
            cid,
            event_idx=rnd.random() < 0.7,
            indirect=rnd.random() < 0.4,
            rx_shape=rnd.choice(("single_3776", "apart_4096", "split_header", "pieces", "large")),
            tx_shape=rnd.choice(("together", "apart", "five", "split_header_joined")),
        )

    def live(self):
        """Pairs that both ends still believe in."""
        return [p for p in self.pairs if p.complete() and not any(e.over for e in p.ends)]

    # --- actions

    def open_host_to_guest(self):
        """A host program connects."""
        guest = self.rnd.choice(list(self.guests.values()))
        port, kind = next(self.ports), self.rnd.choice(list(Type))
        listener = guest.listen(port, kind)
        host = self.rig.dial(port, guest.cid, kind)
        self.pairs.append(
            Pair(
                kind,
                {guest},
                lambda: (
                    host.established
                    and listener.conns
                    and (End(host, True), End(listener.conns[0], False))
                )
                or None,
            )
        )

    def open_guest_to_host(self):
        """A guest connects to the host."""
        guest = self.rnd.choice(list(self.guests.values()))
        port, kind = next(self.ports), self.rnd.choice(list(Type))
        server = self.rig.serve(port, guest.cid, kind)
        conn = guest.connect(port, kind=kind)
        self.pairs.append(
            Pair(
                kind,
                {guest},
                lambda: (
                    conn.open and server.conns and (End(server.conns[0], True), End(conn, False))
                )
                or None,
            )
        )

    def open_guest_to_guest(self):
        """A guest connects to another."""
        one, two = self.rnd.sample(list(self.guests.values()), 2)
        port, kind = next(self.ports), self.rnd.choice(list(Type))
        listener = two.listen(port, kind)
        conn = one.connect(port, cid=two.cid, kind=kind)
        self.pairs.append(
            Pair(
                kind,
                {one, two},
                lambda: (
                    conn.open
                    and listener.conns
                    and (End(conn, False), End(listener.conns[0], False))
                )
                or None,
            )
        )

    def send(self):
        """Some ends send something."""
        for pair in self.live():
            for end in pair.ends:
                if end.may_send and self.rnd.random() < 0.4:
                    end.send(self.rnd.choice(SIZES))

    def half_close(self):
        """An end will not send any more."""
        for pair in self.live()[:1]:
            end = self.rnd.choice(pair.ends)
            if end.may_send:
                end.stop_sending()

    def close(self):
        """An end closes."""
        if live := self.live():
            pair = self.rnd.choice(live)
            pair.disturbed = True
            self.rnd.choice(pair.ends).close()

    def reset(self):
        """A guest resets."""
        if live := self.live():
            pair = self.rnd.choice(live)
            pair.disturbed = True
            end = next(e for e in pair.ends if not e.is_host)
            end.conn.rst()

    def hold(self):
        """A guest posts no buffers for a while."""
        guest = self.rnd.choice(list(self.guests.values()))
        guest.hold_rx = True

    def release(self):
        """All guests post their buffers again."""
        for guest in self.guests.values():
            guest.hold_rx = False
            guest.repost()

    def slow_program(self):
        """A host program stops reading, or goes on."""
        for pair in self.live():
            for end in pair.ends:
                if end.is_host and self.rnd.random() < 0.3:
                    end.conn.reading = not end.conn.reading

    def pause(self):
        """A guest stops its rings and goes on where it stopped."""
        guest = self.rnd.choice(list(self.guests.values()))
        guest.stop_rings()
        guest.work_all()
        self.rig.loop.run(self.rnd.uniform(0, 0.01))
        guest.start_rings()

    def new_table(self):
        """The front end sends its memory table again, or new call descriptors."""
        guest = self.rnd.choice(list(self.guests.values()))
        guest.front.set_mem_table(guest.mem.regions)
        for i, queue in enumerate(guest.queues):
            queue.new_call_fd()
            guest.front.set_vring_call(i, queue.call_fd)
        guest.work_all()

    def vanish(self):
        """A guest vanishes, and another one comes in its place."""
        cid = self.rnd.choice(list(self.guests))
        guest = self.guests.pop(cid)
        for pair in self.pairs:
            if guest in pair.guests:
                pair.disturbed = True
        for conn in guest.conns.values():
            conn.state = "closed"
        self.rig.unplug(guest)
        self.plug(cid)

    ACTIONS = {
        open_host_to_guest: 6,
        open_guest_to_host: 6,
        open_guest_to_guest: 8,
        send: 30,
        half_close: 2,
        close: 4,
        reset: 3,
        hold: 3,
        release: 4,
        slow_program: 3,
        pause: 3,
        new_table: 2,
        vanish: 1,
    }

    # --- the game

    def play(self, nb_turns):
        """Do random things."""
        actions, weights = list(self.ACTIONS), list(self.ACTIONS.values())
        for _ in range(nb_turns):
            self.rnd.choices(actions, weights)[0](self)
            for _ in range(self.rnd.choice((0, 1, 3, 10))):
                self.rig.loop.step(0.001)
        for pair in self.pairs:
            if pair.ends:
                pair.check()

    def finish(self):
        """Let everything calm down; undisturbed connections must have all their bytes."""
        self.release()
        for pair in self.pairs:
            for end in pair.ends or ():
                if end.is_host:
                    end.conn.reading = True
        quiet = [p for p in self.pairs if not p.disturbed]
        self.rig.until(lambda: all(p.complete() for p in quiet), "all connections")
        self.rig.until(lambda: all(p.check(True) for p in quiet), "all bytes", 60)
        for pair in self.pairs:
            if pair.ends:
                pair.check()
                for end in pair.ends:
                    if not end.over:
                        end.close()
        self.rig.until(lambda: not any(g.conns for g in self.guests.values()), "all closed")


@pytest.mark.parametrize("seed", range(3 if sanitized() else 6))
def test_chaos(rig, seed):
    chaos = Chaos(rig, seed)
    chaos.play(250)
    chaos.finish()
    rig.until(lambda: all(rig.daemon.port(cid)["conns"] == 0 for cid in CIDS), "none left")
    for guest in chaos.guests.values():
        rig.still_works(guest)
