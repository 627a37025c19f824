# SPDX-License-Identifier: BSD-3-Clause
"""Shapes of descriptor chains: how the bytes of a packet are cut into segments."""

from pylib.vsock_codec import HEADER_LEN, MAX_PAYLOAD


def _even(nb_bytes, nb_pieces):
    return [nb_bytes * (i + 1) // nb_pieces - nb_bytes * i // nb_pieces for i in range(nb_pieces)]


def _pieces(nb_bytes, piece):
    return [piece] * (nb_bytes // piece) + ([nb_bytes % piece] if nb_bytes % piece else [])


# Packets from the guest: payload length → segment lengths.
TX = {
    "together": lambda n: [HEADER_LEN + n],
    "apart": lambda n: [HEADER_LEN, n],
    "split_header": lambda n: [20, 24, n],
    "split_header_joined": lambda n: [20, 24 + n],
    "joined_then_rest": lambda n: [HEADER_LEN + n // 3, n - n // 3],
    "header_in_bytes": lambda n: [1] * HEADER_LEN + [n],
    "five": lambda n: [HEADER_LEN] + _even(n, 4),
    "fragments_4096": lambda n: [HEADER_LEN] + _pieces(n, 4096),
    "fragments_999": lambda n: [HEADER_LEN] + _pieces(n, 999),
}

# RX buffers of the guest: segment lengths of one buffer.
RX = {
    "single_3776": [3776],
    "apart_4096": [HEADER_LEN, 4096],
    "split_header": [20, 24, 2000],
    "split_header_joined": [20, 24 + 1000, 500],
    "tiny": [64],
    "pieces": [HEADER_LEN] + [512] * 8,
    "large": [HEADER_LEN + MAX_PAYLOAD],
}


def cut(shape, nb_payload):
    """Segment lengths of a TX packet; empty segments are left out."""
    fn = TX[shape] if isinstance(shape, str) else shape
    return [n for n in fn(nb_payload) if n]
