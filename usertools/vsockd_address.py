# SPDX-License-Identifier: BSD-3-Clause
"""Where the tools of dpdk-vsockd listen: unix:PATH, or tcp:ADDRESS:PORT of loopback."""

import ipaddress


def parse(text, advice=""):
    """The parts of --listen: (None, PATH), or (IP address, port). Raises ValueError."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return None, rest
    address, _, port = rest.rpartition(":")
    if kind != "tcp" or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"--listen {text}: must be unix:PATH or tcp:ADDRESS:PORT")
    ip = ipaddress.ip_address(address.strip("[]"))
    if not ip.is_loopback:
        raise ValueError(f"--listen {text}: only addresses of loopback{advice}")
    return ip, int(port)
