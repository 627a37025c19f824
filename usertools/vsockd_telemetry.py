# SPDX-License-Identifier: BSD-3-Clause
"""Client of DPDK's telemetry socket (version 2) for the tools of dpdk-vsockd."""

import json
import os
import socket


class TelemetryError(Exception):
    """The daemon cannot be asked, or its answer is an error."""


def candidates(prefix):
    """Paths at which a daemon with this --file-prefix may have its socket, likely ones first."""
    bases = [os.environ.get("RUNTIME_DIRECTORY"), "/run/vsockd", "/var/run"]
    bases += [os.environ.get("XDG_RUNTIME_DIR"), "/tmp"]
    paths = [os.path.join(b, "dpdk", prefix, "dpdk_telemetry.v2") for b in bases if b]
    return list(dict.fromkeys(paths))


def connect(path=None, prefix="vsockd", timeout=10):
    """Connect to the socket at `path`, or to the first one that answers for `prefix`."""
    error = None
    for candidate in [path] if path else candidates(prefix):
        try:
            return Telemetry(candidate, timeout)
        except FileNotFoundError as err:
            error = error or (candidate, err)
        except OSError as err:
            error = (candidate, err)
            if not isinstance(err, ConnectionRefusedError):
                break
    candidate, err = error
    if path or not isinstance(err, FileNotFoundError):
        raise TelemetryError(f"{candidate}: {err.strerror or err}")
    raise TelemetryError(
        f"no daemon with --file-prefix {prefix} runs (tried {', '.join(candidates(prefix))}; "
        "see --file-prefix and --socket)"
    )


class Telemetry:
    """One connection to a daemon."""

    def __init__(self, path, timeout=10):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(path)
            self.info = json.loads(self.sock.recv(1024))
        except ValueError as err:
            self.sock.close()
            raise TelemetryError(f"{path}: not a telemetry socket: {err}") from err
        except OSError:
            self.sock.close()
            raise

    def _ask(self, command):
        try:
            self.sock.send(command.encode())
            answer = json.loads(self.sock.recv(self.info["max_output_len"]))
        except (OSError, ValueError) as err:
            raise TelemetryError(f"{self.path}: {command}: {err or 'no answer'}") from err
        return answer.get(command.split(",")[0])

    def ask(self, command):
        """The answer to one command."""
        answer = self._ask(command)
        if answer is None:
            raise TelemetryError(f"{self.path}: {command}: the process has no such command")
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            raise TelemetryError(f"{command}: {answer['error']}")
        return answer

    def pages(self, command):
        """All pages of an answer that has "next": one dictionary."""
        rows, start = {}, 0
        while True:
            page = self.ask(f"{command},{start}")
            start = page.pop("next")
            rows.update(page)
            if not start:
                return rows

    def numbered(self, command, page_len=32):
        """All pages of an answer whose keys count from the number given: a list."""
        rows = []
        while True:
            page = self._ask(f"{command},{len(rows)}") or {}  # null: the end
            rows += [dict(page[key], id=int(key)) for key in sorted(page, key=int)]
            if len(page) < page_len:
                return rows

    def close(self):
        """Close the connection."""
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def add_arguments(parser):
    """Options that select the daemon."""
    parser.add_argument(
        "-f", "--file-prefix", default="vsockd", help="of the daemon (default: vsockd)"
    )
    parser.add_argument("-s", "--socket", help="telemetry socket, instead of --file-prefix")
