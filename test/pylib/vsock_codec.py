# SPDX-License-Identifier: BSD-3-Clause
"""The virtio-vsock packet header, written from the virtio specification.

"Socket Device / Device Operation": all fields little endian, 44 bytes, followed by `len` bytes of
payload.  Nothing here is derived from the C sources: the two sides must meet in the specification.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag

HEADER_LEN = 44
_LAYOUT = struct.Struct(
    "<"
    "Q"  # src_cid
    "Q"  # dst_cid
    "I"  # src_port
    "I"  # dst_port
    "I"  # len
    "H"  # type
    "H"  # op
    "I"  # flags
    "I"  # buf_alloc
    "I"
)  # fwd_cnt

HOST_CID = 2
MAX_PAYLOAD = 64 * 1024
U32 = 1 << 32


class Op(IntEnum):
    """Operations of packets."""

    INVALID = 0
    REQUEST = 1
    RESPONSE = 2
    RST = 3
    SHUTDOWN = 4
    RW = 5
    CREDIT_UPDATE = 6
    CREDIT_REQUEST = 7


class Type(IntEnum):
    """Socket types."""

    STREAM = 1
    SEQPACKET = 2


class Shutdown(IntFlag):
    """Flags of a SHUTDOWN packet: hints by the sender about itself, sticky."""

    RCV = 1  # will not receive any more
    SEND = 2  # will not send any more
    BOTH = 3


class Seq(IntFlag):
    """Flags of a RW packet of a seqpacket connection."""

    EOM = 1
    EOR = 2


FEATURE_STREAM = 1 << 0
FEATURE_SEQPACKET = 1 << 1
FEATURE_NO_IMPLIED_STREAM = 1 << 2


@dataclass(frozen=True)
class Header:
    """One packet header.  Fields out of range are cut to their width when packed, so that a test
    may send any bit pattern."""

    src_cid: int = 0
    dst_cid: int = 0
    src_port: int = 0
    dst_port: int = 0
    len: int = 0
    type: int = Type.STREAM
    op: int = Op.INVALID
    flags: int = 0
    buf_alloc: int = 0
    fwd_cnt: int = 0

    def pack(self):
        """The 44 bytes on the wire."""
        return _LAYOUT.pack(
            self.src_cid & (2**64 - 1),
            self.dst_cid & (2**64 - 1),
            self.src_port & (U32 - 1),
            self.dst_port & (U32 - 1),
            self.len & (U32 - 1),
            self.type & 0xFFFF,
            self.op & 0xFFFF,
            self.flags & (U32 - 1),
            self.buf_alloc & (U32 - 1),
            self.fwd_cnt & (U32 - 1),
        )

    @classmethod
    def unpack(cls, data):
        """Read a header from the first 44 bytes of `data`."""
        return cls(*_LAYOUT.unpack_from(data))

    def but(self, **changes):
        """A copy with some fields changed."""
        return replace(self, **changes)

    def __str__(self):
        op = Op(self.op).name if self.op in Op._value2member_map_ else f"op{self.op}"
        return (
            f"{op} {self.src_cid}:{self.src_port}>{self.dst_cid}:{self.dst_port} "
            f"type={int(self.type)} len={self.len} flags={int(self.flags)} "
            f"buf_alloc={self.buf_alloc} fwd_cnt={self.fwd_cnt}"
        )


def credit(buf_alloc, tx_cnt, fwd_cnt):
    """Free space at the peer: counters wrap at 32 bits, a negative result counts as none."""
    used = (tx_cnt - fwd_cnt) % U32
    return max(0, buf_alloc - used)
