# SPDX-License-Identifier: BSD-3-Clause
"""Jobs: lists of steps that a party, a guest or the host, works through, and what they report.

The steps are the same for all parties (see agent_*.c and host.py), so that a test is written once
for every direction.
"""
STEP_TIMEOUT = 60


class PartyError(Exception):
    """A party, or the machine that it runs in, failed; the text says all that is known."""


class StepFailed(Exception):
    """A step of a job failed in the guest."""

    def __init__(self, job, verb, errno, keys):
        super().__init__(f"{job.party.name}: {verb}: {errno} ({job.describe()})")
        self.verb = verb
        self.errno = errno
        self.keys = keys


class Reply(dict):
    """The keys that a step reported, numbers as int."""

    def __init__(self, verb, ok, words):
        super().__init__()
        self.verb = verb
        self.ok = ok
        for word in words:
            key, found, value = word.partition("=")
            if found:
                text = key in ("digest", "lens", "errno")
                self[key] = value if text or not value.lstrip("-").isdigit() else int(value)


class Replies(list):
    """All replies of a job in order; indexed by a verb, the last of that step."""

    def __getitem__(self, key):
        if not isinstance(key, str):
            return super().__getitem__(key)
        for reply in reversed(self):
            if reply.verb == key:
                return reply
        raise KeyError(key)


class Job:
    """A process in a guest, or a thread of this one, that works through its steps."""

    def __init__(self, party, job_id, steps):
        self.party = party
        self.id = job_id
        self.steps = steps
        self.replies = Replies()
        self.waiting = 0  # "wait" steps that were reached
        self.out = []
        self.exit = None
        self.taken = 0  # replies that step() has handed out

    def describe(self):
        return "; ".join(self.steps)

    def go(self):
        """Let the step "wait" end."""
        self.party.job_go(self)

    def kill(self):
        self.party.job_kill(self)

    def step(self, verb, timeout=STEP_TIMEOUT):
        """The next reply of `verb`, waiting for it; raises StepFailed when that step failed."""

        def found():
            for i in range(self.taken, len(self.replies)):
                if self.replies[i].verb == verb:
                    return i
            return None if self.exit is None else -1

        i = self.party.wait_for(found, timeout, f"{verb} of ({self.describe()})")
        if i < 0:
            self.raise_failure()
            raise PartyError(
                f"{self.party.name}: ended ({self.exit}) without {verb}: " f"{self.describe()}"
            )
        self.taken = i + 1
        reply = self.replies[i]
        if not reply.ok:
            raise StepFailed(self, verb, reply["errno"], reply)
        return reply

    def reached_wait(self, count=1, timeout=STEP_TIMEOUT):
        """Wait until the job stands at its `count`th step "wait"."""

        def found():
            return True if self.waiting >= count else None if self.exit is None else False

        if not self.party.wait_for(found, timeout, f'"wait" of ({self.describe()})'):
            self.raise_failure()
            raise PartyError(f'{self.party.name}: ended without "wait": {self.describe()}')

    def raise_failure(self):
        for reply in self.replies:
            if not reply.ok:
                raise StepFailed(self, reply.verb, reply["errno"], reply)

    def wait(self, timeout=STEP_TIMEOUT, check=True):
        """Until the job is over; its replies. With `check` it must have ended well."""
        self.party.wait_for(lambda: self.exit, timeout, f"the end of ({self.describe()})")
        if check and self.exit != "status=0":
            self.raise_failure()
            raise PartyError(
                f"{self.party.name}: {self.exit}: {self.describe()}: " + " / ".join(self.out)
            )
        return self.replies


class Digest:
    """Digests of a flow: of its bytes (see agent_digest.c), and of the lengths of its messages
    (FNV-1a)."""

    PRIME = (1 << 64) - 59

    def __init__(self):
        self.value = 0
        self.hash = 0xCBF29CE484222325
        self.nb_calls = 0

    def add_data(self, data):
        """Append `data` to the byte stream."""
        number = int.from_bytes(data, "big") % self.PRIME
        self.value = (self.value * pow(256, len(data), self.PRIME) + number) % self.PRIME

    def add_length(self, message):
        """Count `message` as one message of its length."""
        self.nb_calls += 1
        for byte in len(message).to_bytes(4, "little"):
            self.hash = ((self.hash ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF

    def add_all(self, messages):
        """Add every message of a list, and empty the list."""
        self.add_data(b"".join(messages))
        for message in messages:
            self.add_length(message)
        messages.clear()

    @property
    def data(self):
        return f"{self.value:016x}"

    @property
    def lens(self):
        return f"{self.hash:016x}"
