# SPDX-License-Identifier: BSD-3-Clause
"""Client of DPDK's telemetry socket."""

import json
import socket


class Telemetry:
    """One connection to the socket at `path`."""

    def __init__(self, path, timeout=20):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(path)
            self.banner = json.loads(self.sock.recv(1024))
        except (OSError, ValueError):
            self.sock.close()
            raise

    def ask(self, command):
        """Send a command and return its value."""
        self.sock.sendall(command.encode())
        answer = json.loads(self.sock.recv(self.banner["max_output_len"]))
        return answer[command.split(",", 1)[0]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
