#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Serves the counters of a running dpdk-vsockd to Prometheus.

The text is at /metrics of a TCP port of loopback or of a Unix socket. Each request asks the daemon
once. If the daemon is away, the answer is vsockd_up 0.
"""

import argparse
import http.server
import os
import signal
import socket
import socketserver
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "share", "dpdk-vsockd")]
import vsockd_address  # noqa: E402
import vsockd_telemetry  # noqa: E402

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Totals of /vsock/port: key, name of the metric, help.
PORT_TOTALS = (
    ("from_guest_packets", "from_guest_packets", "Packets taken from the guest"),
    ("from_guest_bytes", "from_guest_bytes", "Payload bytes taken from the guest"),
    ("to_guest_packets", "to_guest_packets", "Packets written to the guest"),
    ("to_guest_bytes", "to_guest_bytes", "Payload bytes written to the guest"),
    ("to_guest_notifications", "to_guest_notifications", "Interrupts for received packets"),
    ("from_guest_notifications", "from_guest_notifications", "Interrupts for sent packets"),
    ("kicks", "kicks", "Wake-ups by the guest's driver"),
    ("conns_opened", "connections_opened", "Connections that were established"),
    ("resets_sent", "resets_sent", "RST packets written to the guest"),
    ("guest_copied_bytes", "guest_copied_bytes", "Bytes copied between guests, each copy counts"),
    ("guest_payload_bytes", "guest_payload_bytes", "Bytes delivered from other guests"),
    ("backlogged_bytes", "backlogged_bytes", "Bytes kept because a host socket was full"),
    ("host_send_calls", "host_send_calls", "Calls of sendmsg to host programs"),
    ("host_recv_calls", "host_recv_calls", "Calls of readv and recvmsg from host programs"),
    ("credit_updates", "credit_updates", "CREDIT_UPDATE packets written to the guest"),
)
PORT_LEVELS = (
    ("connected", "connected", "1 if the guest's device is connected"),
    ("active", "active", "1 if the port is polled, 0 if the lcore waits for a kick"),
    ("conns", "connections", "Connections of the guest now"),
    ("pool_chunks", "pool_chunks", "Chunks of the pool that hold data for slow readers"),
    ("from_guest_in_flight", "tx_chains_in_flight", "Chains of the guest not returned yet"),
)
LCORE_TOTALS = (
    ("loops", "loops", "Iterations of the poll loop"),
    ("busy_loops", "busy_loops", "Iterations with work"),
    ("total_cycles", "cycles", "TSC cycles of the poll loop"),
    ("busy_cycles", "busy_cycles", "TSC cycles of iterations with work"),
    ("sleeps", "sleeps", "Times that the lcore slept"),
    ("epoll_calls", "epoll_calls", "Calls of epoll_wait"),
    ("wakeups_sent", "wakeups_sent", "Wake-ups of other lcores"),
    ("xlcore_messages", "cross_lcore_packets", "Packets sent to other lcores"),
    ("inbox_messages", "inbox_messages", "Messages from the slow path and control plane"),
    ("loans_copied", "loans_copied", "Chains copied to the pool for slow readers"),
    ("pkts_exhausted", "packet_objects_exhausted", "Times that a guest waited for an object"),
)
LCORE_LEVELS = (
    ("ports", "ports", "Ports of the lcore"),
    ("active_ports", "active_ports", "Ports that are polled now"),
    ("free_pkts", "free_packet_objects", "Packet objects that are free"),
    ("deadlines", "timers", "Connections with a timer"),
)
WQ_TOTALS = (
    ("started", "works_started", "Works started"),
    ("completed", "works_completed", "Works completed"),
    ("cpu_hogs", "cpu_hogs", "Works that used a CPU for too long"),
    ("blocked", "blocked", "Works found blocked"),
)


def quote(text):
    """A label's value."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class Text:
    """Metrics in Prometheus' text format, all samples of one metric together."""

    def __init__(self):
        self.metrics = {}

    def add(self, name, kind, text, value, **labels):
        """Add one sample."""
        name = f"vsockd_{name}" + ("_total" if kind == "counter" else "")
        inside = ",".join(f'{key}="{quote(str(v))}"' for key, v in labels.items())
        sample = f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"
        self.metrics.setdefault(name, (kind, text, []))[2].append(sample)

    def add_all(self, table, kind, prefix, row, **labels):
        """Add the samples of a table."""
        for key, name, text in table:
            if key in row:
                self.add(f"{prefix}_{name}", kind, text + ".", row[key], **labels)

    def __str__(self):
        lines = []
        for name, (kind, text, samples) in self.metrics.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *samples]
        return "\n".join(lines) + "\n"


def collect(telemetry, text):
    """Ask for everything."""
    info = telemetry.info
    text.add("info", "gauge", "Version of DPDK.", 1, dpdk=info["version"])
    text.add("pid", "gauge", "Process of the daemon.", info["pid"])
    for name in telemetry.pages("/vsock/ports"):
        try:
            port = telemetry.ask(f"/vsock/port,{name}")
        except vsockd_telemetry.TelemetryError:
            continue  # it was removed meanwhile
        labels = {"port": name, "cid": port["cid"]}
        text.add_all(PORT_LEVELS, "gauge", "port", port, **labels)
        text.add_all(PORT_TOTALS, "counter", "port", port, **labels)
        for reason, count in port["drops"].items():
            help_text = "Packets dropped, requests refused, connections reset, by reason."
            text.add("port_drops", "counter", help_text, count, **labels, reason=reason)
    for lcore in telemetry.numbered("/vsock/lcores"):
        text.add_all(LCORE_LEVELS, "gauge", "lcore", lcore, lcore=lcore["id"])
        text.add_all(LCORE_TOTALS, "counter", "lcore", lcore, lcore=lcore["id"])
    queues = {}
    for queue in telemetry.numbered("/wq/list"):
        row = queues.setdefault(queue["name"], {"in_flight": 0, "cpu_us": 0})
        for key in ("in_flight", "cpu_us", *(k for k, _, _ in WQ_TOTALS)):
            row[key] = row.get(key, 0) + queue[key]
    for name, row in queues.items():
        labels = {"workqueue": name}
        flight = "Works queued or running."
        text.add("workqueue_in_flight", "gauge", flight, row["in_flight"], **labels)
        text.add_all(WQ_TOTALS, "counter", "workqueue", row, **labels)
        seconds = row["cpu_us"] / 1e6
        text.add("workqueue_cpu_seconds", "counter", "CPU time of the works.", seconds, **labels)


def metrics(args):
    """The whole text."""
    text = Text()
    try:
        with vsockd_telemetry.connect(args.socket, args.file_prefix, 5) as telemetry:
            collect(telemetry, text)
    except vsockd_telemetry.TelemetryError as err:
        text = Text()
        text.add("up", "gauge", "1 if the daemon answers.", 0)
        return str(text), err
    text.add("up", "gauge", "1 if the daemon answers.", 1)
    return str(text), None


# ---- server


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET /metrics."""

    timeout = 10
    options = None

    def do_GET(self):  # noqa: N802
        """One request."""
        if self.path not in ("/metrics", "/"):
            self.send_error(404, "only /metrics is here")
            return
        body = metrics(self.options)[0].encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests are not logged."""

    def address_string(self):
        """A Unix socket has no peer address."""
        return "client"


class UnixServer(socketserver.UnixStreamServer):
    """HTTP on a Unix socket, one request at a time."""

    request_queue_size = 16


class TcpServer(socketserver.TCPServer):
    """HTTP on loopback, one request at a time."""

    allow_reuse_address = True
    request_queue_size = 16


class TcpServer6(TcpServer):
    """As above, for ::1."""

    address_family = socket.AF_INET6


def server(text):
    """The server of --listen."""
    ip, where = vsockd_address.parse(text, " (put a proxy in front for others)")
    if ip is None:
        return UnixServer(where, Handler)
    return (TcpServer6 if ip.version == 6 else TcpServer)((str(ip), where), Handler)


def serve(args):
    """Serve until a signal."""
    Handler.options = args
    with server(args.listen) as srv:
        where = args.listen
        if not where.startswith("unix:"):
            host, port = srv.server_address[:2]
            where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        print(f"dpdk-vsock-exporter: metrics at {where}/metrics", file=sys.stderr, flush=True)
        try:
            srv.serve_forever()
        finally:
            if args.listen.startswith("unix:"):
                os.unlink(args.listen[5:])


def parse(argv):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    vsockd_telemetry.add_arguments(parser)
    parser.add_argument(
        "-l",
        "--listen",
        default="tcp:127.0.0.1:9737",
        metavar="ADDRESS",
        help="unix:PATH or tcp:ADDRESS:PORT of loopback (default: tcp:127.0.0.1:9737)",
    )
    parser.add_argument("--once", action="store_true", help="print the metrics, and end")
    return parser.parse_args(argv)


def main(argv):
    """Returns the exit status."""
    args = parse(argv)
    if args.once:
        text, err = metrics(args)
        print(text, end="")
        if err:
            print(f"dpdk-vsock-exporter: {err}", file=sys.stderr)
        return 1 if err else 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        serve(args)
    except ValueError as err:
        print(f"dpdk-vsock-exporter: {err}", file=sys.stderr)
        return 1
    except OSError as err:
        print(f"dpdk-vsock-exporter: {args.listen}: {err.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
