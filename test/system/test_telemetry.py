# SPDX-License-Identifier: BSD-3-Clause
"""The commands of DPDK's telemetry socket. The names are an interface."""

import ast
import json
import os
import re

import pytest
from pylib.daemon import Telemetry, pattern
from pylib.vsock_codec import HOST_CID, Header, Op, Type

COUNTERS = {"from_guest_packets", "from_guest_bytes", "to_guest_packets", "to_guest_bytes"}

# Reasons that no test of this suite can make the daemon count, and why.
NOT_HERE = {}


def reasons_with_a_test():
    """Every reason named in a drops(...) mark of a test file."""
    here = os.path.dirname(os.path.abspath(__file__))
    found = set()
    for name in os.listdir(here):
        if not name.startswith("test_") or not name.endswith(".py"):
            continue
        with open(os.path.join(here, name), encoding="utf-8") as file:
            tree = ast.parse(file.read())
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "drops"
            ):
                found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found


def test_every_drop_reason_has_a_test(rig):
    """A reason that the running daemon knows and no test asserts is a missing test; a mark with a
    reason that it does not know is a mistake."""
    known = set(rig.daemon.drops())
    tested = reasons_with_a_test()
    assert known, "no reasons at all"
    assert not known - tested - set(NOT_HERE), "reasons without a test"
    assert not tested - known, "tests of unknown reasons"
    assert not set(NOT_HERE) & tested


def test_list(rig):
    assert sorted(rig.daemon.telemetry("/vsock/list")) == ["vsock_vhost0", "vsock_vhost1"]


def test_port_without_a_guest(rig):
    port = rig.daemon.port(3)
    assert port["cid"] == 3
    assert port["iface"] == rig.daemon.ports[3].iface
    assert port["uds"] == rig.daemon.ports[3].uds
    assert port["lcore"] == 1


def flat(value):
    """All keys of nested dictionaries with their values."""
    out = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            out.update(flat(inner))
        else:
            out[key] = inner
    return out


def test_traffic_is_counted(rig):
    """Packets and bytes of a port and of the whole, in the right direction."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    before = flat(rig.daemon.port(3)), flat(rig.daemon.stats()), flat(rig.daemon.port(4))
    for _ in range(10):
        conn.send(pattern(1000))
    rig.until(lambda: len(host.rx) == 10_000, "data")
    host.send(pattern(7000))
    rig.until(lambda: len(conn.rx) == 7000, "data")
    rig.until(lambda: guest.idle, "all taken")
    after = flat(rig.daemon.port(3)), flat(rig.daemon.stats()), flat(rig.daemon.port(4))
    for old, new in list(zip(before, after))[:2]:
        assert new["from_guest_bytes"] - old["from_guest_bytes"] == 10_000
        assert new["to_guest_bytes"] - old["to_guest_bytes"] == 7000
        assert new["from_guest_packets"] - old["from_guest_packets"] >= 10
        assert new["to_guest_packets"] - old["to_guest_packets"] >= 2
    for key in COUNTERS:
        assert after[2][key] == before[2][key]


def test_drops_are_counted_by_port_and_in_all(rig):
    """One reason, one packet, one count: at the port that it came from, and in the sum."""
    guest = rig.guest(3)
    rig.guest(4)
    before = rig.daemon.port(3)["drops"], rig.daemon.port(4)["drops"], rig.daemon.drops()
    for i in range(7):
        guest.transmit(Header(3, HOST_CID, 1000 + i, 1, 0, Type.STREAM, Op.CREDIT_UPDATE))
    rig.until(lambda: len(guest.strays) == 7, "answers")
    rig.until(lambda: guest.idle, "all taken")
    after = rig.daemon.port(3)["drops"], rig.daemon.port(4)["drops"], rig.daemon.drops()
    assert after[0]["no_conn"] - before[0]["no_conn"] == 7
    assert after[1]["no_conn"] == before[1]["no_conn"]
    assert after[2]["no_conn"] - before[2]["no_conn"] == 7
    assert set(after[0]) == set(after[1]) == set(after[2])


def test_connections_are_counted(rig):
    """The port says how many there are, and none is left when they are closed."""
    guest = rig.guest(3)
    pairs = [rig.pair(guest, maker) for maker in ("host", "guest") * 3]
    assert rig.daemon.port(3)["conns"] == 6
    for host, _ in pairs:
        host.close()
    rig.until(lambda: rig.daemon.port(3)["conns"] == 0, "no connection left")


def all_conns(daemon, name):
    """/vsock/conns page by page, as a tool does it: (rows, pages)."""
    rows, start, pages = [], 0, 0
    while True:
        page = daemon.telemetry(f"/vsock/conns,{name},{start}")
        rows += [row for name_, row in page.items() if name_ != "next"]
        pages += 1
        start = page["next"]
        if not start:
            return rows, pages


def test_connections_are_listed(rig):
    """Each with its ports, its kind and what went over it."""
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    seq_host, seq = rig.guest_to_host(guest, Type.SEQPACKET)
    one, two = rig.guest_to_guest(guest, other)
    conn.send(bytes(1000))
    host.send(bytes(500))
    one.send(bytes(300))
    rig.until(lambda: len(host.rx) == 1000 and len(conn.rx) == 500 and len(two.rx) == 300, "data")
    assert rig.daemon.telemetry("/vsock/conns,vsock_vhost0")["next"] == 0
    rows, _ = all_conns(rig.daemon, "vsock_vhost0")
    by_key = {(r["guest_port"], r["peer_cid"], r["peer_port"]): r for r in rows}
    assert set(by_key) == {c.key for c in (conn, seq, one)}
    assert by_key[conn.key]["type"] == "stream" and by_key[seq.key]["type"] == "seqpacket"
    assert all(r["state"] == "open" for r in rows)
    assert by_key[conn.key]["rx_cnt"] == 1000 and by_key[conn.key]["tx_cnt"] == 500
    assert by_key[one.key]["rx_cnt"] == 300
    rows, _ = all_conns(rig.daemon, "vsock_vhost1")
    assert [(r["guest_port"], r["peer_cid"], r["peer_port"]) for r in rows] == [two.key]
    assert seq_host.messages == []


def test_connections_come_in_pages(rig):
    """More than fit an answer: none is missing, none comes twice."""
    guest = rig.guest(3)
    guest.listen(1024)
    hosts = []
    while len(hosts) < 200:
        burst = [rig.dial(1024) for _ in range(50)]
        rig.until(lambda burst=burst: all(h.established for h in burst), "OKs")
        hosts += burst
    rows, pages = all_conns(rig.daemon, "vsock_vhost0")
    assert pages > 1
    assert sorted(r["peer_port"] for r in rows) == sorted(h.ok for h in hosts)


def test_list_can_skip(rig):
    assert len(rig.daemon.telemetry("/vsock/list,0")) == 2
    assert len(rig.daemon.telemetry("/vsock/list,1")) == 1
    assert rig.daemon.telemetry("/vsock/list,2") == []


def test_lcores(rig):
    """One entry for each poll lcore, with counters that move."""

    def lcore():
        answer = rig.daemon.telemetry("/vsock/lcores")
        return answer["1"] if isinstance(answer, dict) else answer[0]

    guest = rig.guest(3)
    before = lcore()
    rig.still_works(guest)
    after = lcore()
    assert after["loops"] > before["loops"]
    assert after["busy_loops"] > before["busy_loops"]
    # Busy turns are a part of all.
    busy = after["busy_cycles"] - before["busy_cycles"]
    assert 0 < busy <= after["total_cycles"] - before["total_cycles"]


def test_port_sleeps(rig):
    """A port without work is left to kicks, each time, and counted."""
    guest = rig.guest(3)
    for _ in range(3):
        before = rig.daemon.telemetry("/vsock/lcores")["1"]["port_sleeps"]
        rig.still_works(guest)
        rig.daemon.wait_for(
            lambda: rig.daemon.telemetry("/vsock/lcores")["1"]["port_sleeps"] > before,
            "the port is left to kicks",
        )


@pytest.mark.parametrize(
    "command",
    [
        "/vsock/port",
        "/vsock/port,",
        "/vsock/port,nobody",
        "/vsock/port," + "x" * 200,
        "/vsock/port,vsock_vhost0,x",
        "/vsock/list,x",
        "/vsock/stats,x",
        "/vsock/lcores,x",
        "/vsock/conns",
        "/vsock/conns,nobody",
        "/vsock/conns,vsock_vhost0,x",
        "/vsock/conns,vsock_vhost0,4000000000",
        "/vsock/conns,5",
        "/vsock/port,4294967299",
        "/vsock/list,-1",
        "/vsock/ports,x",
        "/vsock/top,26",
        "/vsock/help,x",
        '/vsock/port,a"b\\c',
    ],
)
def test_bad_parameters(rig, command):
    """An error that says what is wrong, never null, and the next command is answered as usual."""
    with Telemetry(rig.daemon.telemetry_path()) as client:
        client.sock.sendall(command.encode())
        answer = json.loads(client.sock.recv(client.banner["max_output_len"]))
        (answer,) = answer.values()
        assert list(answer) == ["error"] and len(answer["error"]) > 10
        assert "vsock_vhost0" in client.ask("/vsock/list")


def test_port_by_cid(rig):
    """A name and a CID mean the same port."""
    for command in ("port", "conns"):
        by_name = rig.daemon.telemetry(f"/vsock/{command},vsock_vhost1")
        assert rig.daemon.telemetry(f"/vsock/{command},4") == by_name


def test_help(rig):
    """All commands, none of them cut."""
    answer = rig.daemon.telemetry("/vsock/help")
    with Telemetry(rig.daemon.telemetry_path()) as client:
        commands = client.ask("/")
    known = {c for c in commands if c.startswith("/vsock/") and not c.startswith("/vsock/wq")}
    assert set(answer) == known
    assert all(10 < len(text) < 127 for text in answer.values())


def test_ports(rig):
    """One table of all ports."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    before = rig.daemon.telemetry("/vsock/ports")
    conn.send(bytes(1000))
    rig.until(lambda: len(host.rx) == 1000, "data")
    after = rig.daemon.telemetry("/vsock/ports")
    assert set(after) == {"vsock_vhost0", "vsock_vhost1", "next"} and after["next"] == 0
    row = after["vsock_vhost0"]
    assert row["cid"] == 3 and row["connected"] == 1 and row["conns"] == 1
    assert row["from_guest_bytes"] - before["vsock_vhost0"]["from_guest_bytes"] == 1000
    assert row["drops"] == sum(rig.daemon.port(3)["drops"].values())
    assert after["vsock_vhost1"]["connected"] == 0
    assert rig.daemon.telemetry("/vsock/ports,1").keys() == {"vsock_vhost1", "next"}


def row_of(rig, conn):
    """The row of a connection."""
    rows, _ = all_conns(rig.daemon, str(conn.guest.cid))
    return next(r for r in rows if (r["guest_port"], r["peer_cid"], r["peer_port"]) == conn.key)


@pytest.mark.parametrize("maker", ["host", "guest"])
def test_values_of_a_connection(rig, maker):
    """Bytes, packets, times, and the program at the other end."""
    guest = rig.guest(3)
    host, conn = rig.pair(guest, maker)
    for _ in range(3):
        conn.send(bytes(1000))
    host.send(bytes(500))
    rig.until(lambda: len(host.rx) == 3000 and len(conn.rx) == 500, "data")
    row = row_of(rig, conn)
    assert (row["rx_bytes"], row["tx_bytes"]) == (3000, 500)
    assert (row["rx_packets"], row["tx_packets"]) == (3, 1)
    assert (row["pid"], row["uid"]) == (os.getpid(), os.geteuid())
    assert row["waits"] == "nothing"
    assert row["credit_to_guest"] <= conn.buf_alloc
    rig.loop.run(0.3)
    later = row_of(rig, conn)
    assert later["idle_ms"] - row["idle_ms"] >= 250
    assert later["age_ms"] - row["age_ms"] >= 250
    assert later["age_ms"] >= later["idle_ms"]
    host.send(b"x")
    rig.until(lambda: len(conn.rx) == 501, "data")
    assert row_of(rig, conn)["idle_ms"] < later["idle_ms"] + 1000


def test_who_waits_for_whom(rig):
    """The program that does not read is named, on both sides."""
    guest = rig.guest(3)
    host, conn = rig.host_to_guest(guest)
    conn.auto_read = False
    host.send(bytes(1_000_000))
    rig.until(lambda: row_of(rig, conn)["waits"] == "guest_program", "the guest does not read")
    slow, full = rig.host_to_guest(guest)
    slow.reading = False
    full.send(bytes(1_000_000))
    rig.until(lambda: row_of(rig, full)["waits"] == "host_program", "the program does not read")
    assert row_of(rig, full)["backlog"] > 0
    guest.listen(77, accept=False)
    rig.loop.remove(guest)
    host = rig.dial(77)
    rig.until(
        lambda: any(r["waits"] == "guest_answer" for r in all_conns(rig.daemon, "3")[0]), "connect"
    )
    rig.loop.add(guest)


def test_no_buffers(rig):
    """A guest without receive buffers."""
    guest = rig.guest(3, nb_rx=1)
    host, conn = rig.host_to_guest(guest)
    rig.loop.remove(guest)
    host.send(bytes(100_000))
    rig.until(lambda: row_of(rig, conn)["waits"] == "guest_buffers", "buffers")
    rig.loop.add(guest)


def test_top(rig):
    """The busiest connection comes first, with its rate; an idle one has none."""
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    one, two = rig.guest_to_guest(guest, other)
    rig.host_to_guest(other)
    rig.daemon.telemetry("/vsock/top")
    conn.send(bytes(600_000))
    one.send(bytes(100_000))
    rig.until(lambda: len(host.rx) == 600_000 and len(two.rx) == 100_000, "data")
    rig.loop.run(0.4)
    answer = rig.daemon.telemetry("/vsock/top,10")
    assert answer["conns"] == 4 and 250 <= answer["interval_ms"] <= 5000
    first = answer["1"]
    assert (first["guest_cid"], first["guest_port"], first["peer_port"]) == (
        3,
        conn.local_port,
        host.ok,
    )
    assert first["port"] == "vsock_vhost0" and first["pid"] == os.getpid()
    moved = first["rx_bytes_per_s"] * answer["interval_ms"] / 1000
    assert abs(moved - 600_000) < 10_000
    assert answer["4"]["rx_bytes_per_s"] == answer["4"]["tx_bytes_per_s"] == 0
    assert set(rig.daemon.telemetry("/vsock/top,1")) == {"interval_ms", "conns", "1"}


def conn_lines(rig):
    """Lines about connections in the log."""
    return [line for line in rig.daemon.stderr().splitlines() if "vsock: connection " in line]


def test_log_of_connections(launch):
    """With the debug level: a line when a connection opens, and one with the reason of its end."""
    rig = launch(eal=("-l", "0-1", "--log-level", "vsock:debug"))
    guest = rig.guest()
    host, conn = rig.host_to_guest(guest)
    conn.send(bytes(1000))
    rig.until(lambda: len(host.rx) == 1000, "data")
    host.close()
    rig.until(lambda: conn.closed, "end")
    conn = rig.guest_to_host(guest)[1]
    conn.raw(1)  # a second REQUEST: a fault
    rig.until(lambda: conn.closed, "RST")
    refused = rig.dial(4711)
    rig.until(lambda: refused.ended, "refusal")
    rig.daemon.wait_for(lambda: len(conn_lines(rig)) == 5, "five lines")
    lines = [line.split("vsock: connection ")[1] for line in conn_lines(rig)]
    first = rf"3:\d+ to 2:{host.ok}: "
    assert re.fullmatch(first + rf"opened \(stream, pid {os.getpid()}\)", lines[0])
    assert re.fullmatch(
        first + r"ended: closed \(1000 bytes from the guest, 0 to it, \d+ ms\)", lines[1]
    )
    assert "opened" in lines[2] and "ended: bad_state" in lines[3]
    assert "ended: guest_refused" in lines[4]


def test_log_of_many_connections(launch):
    """Its lines are bounded, and nothing is logged at the usual level."""
    for level, most in (("debug", 1000), ("info", 0)):
        rig = launch(eal=("-l", "0-1", "--log-level", f"vsock:{level}"))
        guest = rig.guest()
        for _ in range(20):
            hosts = [rig.dial(4711) for _ in range(100)]
            rig.until(lambda hosts=hosts: all(h.ended for h in hosts), "refusals")
            for host in hosts:
                host.close()
                rig.loop.remove(host)
        assert guest
        assert rig.daemon.drops()["guest_refused"] == 2000
        assert min(most, 1) <= len(conn_lines(rig)) <= most


def test_many_ports(launch):
    """More ports than fit one careless answer; each can be asked for."""
    nb_ports = 40
    rig = launch(cids=range(3, 3 + nb_ports))
    assert len(rig.daemon.telemetry("/vsock/list")) == nb_ports
    for cid in (3, 20, 42):
        assert rig.daemon.port(cid)["cid"] == cid
    assert rig.daemon.drops()
    rig.still_works(rig.guest(42))


def test_questions_during_traffic(rig):
    """Snapshots while the lcores work: no answer is late, no byte is lost."""
    guest, other = rig.guest(3), rig.guest(4)
    host, conn = rig.host_to_guest(guest)
    one, two = rig.guest_to_guest(guest, other)
    data = pattern(4_000_000)
    for end in (host, conn, one, two):
        end.send(data)
    done = False
    with Telemetry(rig.daemon.telemetry_path()) as client:
        while not done:
            for command in ("/vsock/stats", "/vsock/port,vsock_vhost0", "/vsock/lcores"):
                assert client.ask(command)
                rig.loop.step(0)
            done = all(len(e.rx) == len(data) for e in (host, conn, one, two))
    assert host.rx == data and conn.rx == data and one.rx == data and two.rx == data


def test_with_guests_that_come_and_go(rig):
    """Questions about a port whose device is up, down, or never was."""
    for _ in range(5):
        guest = rig.guest(3)
        assert rig.daemon.port(3)["cid"] == 3
        guest.stop_rings()
        assert rig.daemon.port(3)["cid"] == 3
        rig.unplug(guest)
        assert rig.daemon.port(3)["cid"] == 3
