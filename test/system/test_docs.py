# SPDX-License-Identifier: BSD-3-Clause
"""The documents for operators against the code and the running daemon."""

import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def text_of(*path):
    """A file of the checkout."""
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def sources(*folders):
    """C files below the folders."""
    for folder in folders:
        for where, _, names in os.walk(os.path.join(ROOT, folder)):
            if os.path.basename(where) != "test":
                yield from (os.path.join(where, n) for n in names if n.endswith(".c"))


def log_formats():
    """The format strings of all log lines: (file, format)."""
    call = re.compile(
        r"(?:VSOCK_LOG\(\s*\w+,|log_stream_line\(\s*LOG_\w+,|vhost_link_report\(\s*\w+,\s*\w+,)"
        r'\s*((?:"(?:[^"\\]|\\.)*"\s*|PRI\w+\s*)+)'
    )
    for path in sources("drivers/vsock", "app/dpdk-vsockd"):
        for match in call.finditer(text_of(path)):
            text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1)))
            yield os.path.basename(path), text.replace('\\"', '"')


def pattern_of(text):
    """A regular expression for what the document shows in place of %s and the like."""
    pieces = re.split(r"%[-#0-9]*l*[a-zA-Z]?", text)
    return re.compile(".*?".join(re.escape(p.strip()) for p in pieces if p.strip()))


def test_every_log_line_is_explained():
    """Each format in the code has its line in doc/log.md."""
    formats = list(log_formats())
    assert len(formats) > 35
    lines = re.findall(r"`([^`]+)`", text_of("doc/log.md"))
    plain = re.compile(r"^(%s[: ]*)*(\(see --help\))?$")  # what it says comes from another place
    missing = [
        (name, text)
        for name, text in formats
        if not plain.match(text) and not any(pattern_of(text).search(line) for line in lines)
    ]
    assert not missing


def table_keys(text, heading):
    """Words in backquotes of the first columns below a heading."""
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [row.split("|")[1] for row in part.splitlines() if row.startswith("| `")]
    return {key for cell in cells for key in re.findall(r"`([a-z_0-9]+)`", cell)}


def test_keys_of_a_port(rig):
    text = text_of("doc/telemetry.md")
    assert table_keys(text, "/vsock/port") == set(rig.daemon.port(3))
    assert table_keys(text, "Drops") == set(rig.daemon.drops())


def test_keys_of_a_connection(rig):
    text = text_of("doc/telemetry.md")
    rig.host_to_guest(rig.guest(3))
    page = rig.daemon.telemetry("/vsock/conns,3")
    (row,) = (value for key, value in page.items() if key != "next")
    keys = table_keys(text, "/vsock/conns and /vsock/top")
    waits = {k for k in keys if k.startswith(("guest_", "host_", "peer_")) or k == "nothing"}
    assert keys - (waits - set(row)) == set(row)
    code = set(re.findall(r'return "(\w+)";', text_of("drivers/vsock/control/snapshot.c")))
    code |= set(re.findall(r'\? "(\w+)" : "(\w+)"', text_of("drivers/vsock/control/snapshot.c"))[0])
    assert waits - set(row) <= code | {"guest_buffers", "guest_reset", "host_answer", "peer_answer"}
    top = rig.daemon.telemetry("/vsock/top")
    for key in [*top["1"], "interval_ms", "conns"]:
        assert f"`{key}`" in text, key


def test_keys_of_an_lcore(rig):
    (row,) = rig.daemon.telemetry("/vsock/lcores").values()
    assert table_keys(text_of("doc/telemetry.md"), "/vsock/lcores") == set(row)


def test_commands(rig):
    text = text_of("doc/telemetry.md")
    for command in rig.daemon.telemetry("/vsock/help"):
        assert f"| `{command}" in text, command


@pytest.mark.parametrize("name", sorted(os.listdir(os.path.join(ROOT, "doc"))))
def test_links(name):
    """Relative links and files named in the documents exist."""
    if not name.endswith(".md"):
        pytest.skip("no document")
    text = text_of("doc", name)
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert os.path.exists(os.path.join(ROOT, "doc", target)), target


def test_limits():
    """Numbers of the documents that stand in the header of limits."""
    limits = dict(re.findall(r"#define LIMIT_(\w+)\s+([0-9]+)", text_of("config/vsock_limits.h")))
    telemetry = text_of("doc/telemetry.md")
    for name, phrase in (
        ("CONNECT_MS", "no answer to REQUEST within {} s"),
        ("CLOSE_MS", "no RST within {} s"),
        ("LINGER_MS", "within {} s after the guest closed"),
        ("HANDSHAKE_MS", "no complete CONNECT line within {} s"),
        ("CONNECT_BACKLOG_MS", "stayed full for {} s"),
    ):
        assert phrase.format(int(limits[name]) // 1000) in telemetry, name
