# SPDX-License-Identifier: BSD-3-Clause
"""The host as a party: works through the same steps as the agent in a guest, over the Unix sockets
that the daemon offers and looks for.

To reach port P of a guest a program connects to `<uds>` (`<uds>_seqpacket`) and writes
"CONNECT P\\n"; what a guest opens to port P of CID 2 arrives at a listener on `<uds>_<P>`.
"""
import errno
import os
import random
import select
import socket
import threading
import time

from jobs import Digest, Job, PartyError, Reply, STEP_TIMEOUT

HOST_CID = 2
CHUNK = 64 << 10
BLOCK = 16 << 20
MESSAGE_MAX = 1 << 20
POLLRDHUP = 0x2000

SHUT = {"rd": socket.SHUT_RD, "wr": socket.SHUT_WR, "rdwr": socket.SHUT_RDWR}


def number(text):
    unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1])
    return int(text[:-1], 0) * unit if unit else int(text, 0)


def chunk_range(text):
    low, _, high = text.partition("-")
    return number(low), number(high or low)


def now_us():
    return time.monotonic_ns() // 1000


def uds_connect(uds, port, kind=socket.SOCK_STREAM, timeout=STEP_TIMEOUT, early=b""):
    """Connect to `port` of the guest behind `uds`; the socket and the port that "OK" names.

    `early` is sent together with CONNECT. Refused: ConnectionRefusedError.
    """
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.settimeout(timeout)
    try:
        sock.connect(uds if kind == socket.SOCK_STREAM else uds + "_seqpacket")
        sock.sendall(b"CONNECT %d\n" % port + early)
        answer = b""
        if kind == socket.SOCK_SEQPACKET:
            answer = sock.recv(64)
        else:
            while not answer.endswith(b"\n") and len(answer) < 32:
                byte = sock.recv(1)
                if not byte:
                    break
                answer += byte
        if not answer:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "closed without OK")
        if not answer.startswith(b"OK ") or not answer.endswith(b"\n"):
            raise PartyError(f"the answer to CONNECT is {answer!r}")
        return sock, int(answer[3:])
    except BaseException:
        sock.close()
        raise


class HostJob(Job):
    """A thread that works through steps."""

    def __init__(self, party, job_id, steps):
        super().__init__(party, job_id, steps)
        self.kind = socket.SOCK_STREAM
        self.sock = None
        self.listener = None
        self.goes = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.main, daemon=True)

    def main(self):
        status = "status=0"
        for text in self.steps:
            may_fail, text = text.startswith("?"), text.lstrip("?")
            verb, *args = text.split()
            self.start_us = now_us()
            try:
                keys = getattr(self, "do_" + verb.replace("-", "_"))(*args) or {}
                self.report(verb, True, **keys)
            except TimeoutError:
                self.report(verb, False, errno="ETIMEDOUT")
            except OSError as e:
                self.report(verb, False, errno=errno.errorcode.get(e.errno, str(e.errno)))
            except Exception as e:  # any error is reported to the test
                self.out.append(repr(e))
                status = "status=2"
                break
            if not self.replies[-1].ok and not may_fail:
                status = "status=1"
                break
        self.drop("sock")
        self.drop("listener")
        self.party.update(setattr, self, "exit", status)

    def report(self, verb, ok, **keys):
        reply = Reply(verb, ok, [])
        reply.update(keys, us=now_us() - self.start_us)
        self.party.update(self.replies.append, reply)

    def drop(self, name):
        sock = getattr(self, name)
        if sock is not None:
            sock.close()
            setattr(self, name, None)

    # -- steps, as in agent_sock.c

    def do_socket(self, kind):
        self.kind = {"stream": socket.SOCK_STREAM, "seqpacket": socket.SOCK_SEQPACKET}[kind]

    def do_listen(self, port, backlog="16"):
        port = number(port)
        if port == 0:
            raise PartyError("the host has no free ports to choose from")
        self.drop("listener")
        path = self.party.listen_path(port)
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, self.kind)
        self.listener.bind(path)
        self.listener.listen(number(backlog))
        return {"port": port}

    def do_accept(self, ms=None):
        self.drop("sock")
        self.listener.settimeout(STEP_TIMEOUT if ms is None else number(ms) / 1000)
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(STEP_TIMEOUT)
        return {"cid": self.party.peer_cid}

    def do_connect(self, cid, port, ms=None):
        self.drop("sock")
        timeout = STEP_TIMEOUT if ms is None else number(ms) / 1000
        self.sock, local = uds_connect(
            self.party.uds[number(cid)], number(port), self.kind, timeout
        )
        return {"port": local}

    def do_churn(self, cid, port, count):
        for i in range(number(count)):
            sock, _ = uds_connect(self.party.uds[number(cid)], number(port), self.kind)
            with sock:
                sock.sendall(b"%08d" % i)
                if sock.recv(8, socket.MSG_WAITALL) != b"%08d" % i:
                    raise OSError(errno.EPROTO, "wrong echo")
        return {"count": number(count)}

    def do_serve(self, count):
        failed = []
        threads = []
        for _ in range(number(count)):
            self.listener.settimeout(STEP_TIMEOUT)
            sock, _ = self.listener.accept()
            threads.append(threading.Thread(target=self.serve_one, args=(sock, failed)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        return {"count": number(count), "failed": len(failed)}

    def serve_one(self, sock, failed):
        with sock:
            sock.settimeout(STEP_TIMEOUT)
            try:
                self.echo(sock)
            except OSError as e:
                failed.append(e)

    def do_shut(self, how):
        self.sock.shutdown(SHUT[how])
        return {"how": how}

    def do_close(self):
        self.drop("sock")

    def do_gone(self, ms):
        poll = select.poll()
        poll.register(self.sock, 0)
        events = poll.poll(number(ms))
        if not events:
            raise TimeoutError
        return {"revents": events[0][1]}

    def do_wait(self, ms=None):
        self.party.update(setattr, self, "waiting", self.waiting + 1)
        if not self.goes.acquire(timeout=STEP_TIMEOUT if ms is None else number(ms) / 1000):
            raise TimeoutError

    def do_sleep(self, ms):
        time.sleep(number(ms) / 1000)

    # -- steps, as in agent_data.c

    def do_send(self, size, seed, chunk=None, pace_us="0"):
        low, high = chunk_range(chunk) if chunk else (CHUNK, CHUNK)
        rng = random.Random(number(seed))
        digest = Digest()
        size = number(size)
        pace = number(pace_us) / 1e6
        io_us = done = 0
        while done < size:
            block = memoryview(rng.randbytes(min(BLOCK, size - done)))
            done += len(block)
            digest.add_data(block)
            parts = []
            pos = 0
            while pos < len(block):
                parts.append(block[pos : pos + rng.randint(low, high)])
                digest.add_length(parts[-1])
                pos += len(parts[-1])
            start_us = now_us()
            for part in parts:
                self.sock.sendall(part)
                if pace > 0:
                    time.sleep(pace)
            io_us += now_us() - start_us
        return self.flow_keys(digest, done, io_us)

    @staticmethod
    def flow_keys(digest, done, io_us):
        return {
            "bytes": done,
            "digest": digest.data,
            "io_us": io_us,
            "calls": digest.nb_calls,
            "lens": digest.lens,
        }

    def do_recv(self, size, chunk=None):
        want = None if size == "eof" else number(size)
        limit = chunk_range(chunk)[1] if chunk else CHUNK
        stream = self.kind == socket.SOCK_STREAM
        digest = Digest()
        pending = []  # hashed outside the time that is reported
        done = io_us = 0
        while want is None or done < want:
            room = limit if stream else MESSAGE_MAX
            data = self.sock.recv(room if want is None or not stream else min(room, want - done))
            if not data:
                if want is None:
                    break
                raise OSError(errno.ENODATA, f"end after {done} bytes")
            if not pending:
                start_us = now_us()
            pending.append(data)
            done += len(data)
            if len(pending) * limit >= BLOCK:
                io_us += now_us() - start_us
                digest.add_all(pending)
        if pending:
            io_us += now_us() - start_us
            digest.add_all(pending)
        return self.flow_keys(digest, done, io_us)

    def do_xfer(self, size, seed, receive, chunk=None):
        failed = []

        def sender():
            try:
                keys = self.do_send(size, seed, *([chunk] if chunk else []))
                self.report("xfer-send", True, **keys)
                if receive == "eof":
                    self.sock.shutdown(socket.SHUT_WR)
            except OSError as e:
                failed.append(e)

        thread = threading.Thread(target=sender)
        thread.start()
        try:
            keys = self.do_recv(receive)
        except OSError:
            self.sock.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            thread.join()
        if failed:
            raise failed[0]
        return keys

    def echo(self, sock):
        total = 0
        while True:
            data = sock.recv(CHUNK if self.kind == socket.SOCK_STREAM else MESSAGE_MAX)
            if not data:
                return total
            sock.sendall(data)
            total += len(data)

    def do_echo(self):
        return {"bytes": self.echo(self.sock)}

    def do_ping(self, count, size="1"):
        times = []
        for i in range(number(count)):
            out = random.Random(i).randbytes(number(size))
            start_us = now_us()
            self.sock.sendall(out)
            data = b""
            while len(data) < len(out):
                part = self.sock.recv(len(out) - len(data))
                if not part:
                    raise OSError(errno.ENODATA, "end")
                data += part
            times.append(now_us() - start_us)
            if data != out:
                raise OSError(errno.EILSEQ, "not what was sent")
        times.sort()
        return {
            "count": len(times),
            "min_us": times[0],
            "median_us": times[len(times) // 2],
            "p99_us": times[len(times) * 99 // 100],
            "max_us": times[-1],
        }


class Host:
    """The host, as seen by the guest `peer_cid`; `uds` gives the base path for each CID."""

    cid = HOST_CID
    name = "host"

    def __init__(self, uds, peer_cid):
        self.uds = uds
        self.peer_cid = peer_cid
        self.changed = threading.Condition()
        self.jobs = []

    def listen_path(self, port):
        return f"{self.uds[self.peer_cid]}_{port}"

    def update(self, function, *args):
        with self.changed:
            function(*args)
            self.changed.notify_all()

    def wait_for(self, condition, timeout, what):
        with self.changed:
            result = condition()
            deadline = time.monotonic() + timeout
            while result is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise PartyError(f"host: no {what} within {timeout} s")
                self.changed.wait(left)
                result = condition()
            return result

    def spawn(self, *steps):
        job = HostJob(self, len(self.jobs) + 1, steps)
        self.jobs.append(job)
        job.thread.start()
        return job

    def run(self, *steps, timeout=STEP_TIMEOUT):
        return self.spawn(*steps).wait(timeout)

    def job_go(self, job):
        job.goes.release()

    def job_kill(self, job):
        for sock in (job.sock, job.listener):
            if sock is not None:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it was closed, or never connected
