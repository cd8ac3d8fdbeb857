"""Dilation of a 3D mask by a ball, 64 nodes at a time: the nodes of a row are the bits of words."""

import numpy as np
from numpy.typing import NDArray

Index = tuple[int, int, int]
Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]

_WORD = np.dtype("<u8")
_WORD_BITS = 64


def dilate(source: Mask, runs: NDArray[np.int64], offset: Index, shape: Index) -> Mask:
    """Which nodes of a target window have a source node inside a ball round them.

    Args:
        source: (S0, S1, S2).
        runs: (R0 + 1, R1 + 1): at offset (a, b) the ball reaches from -runs to +runs along axis 2;
            -1 where it does not reach. Not growing along either axis.
        offset: The target's first node, counted from the source's first.
        shape: Shape of the result.

    Returns:
        (T0, T1, T2), true where the ball holds a source node.
    """
    radius = (runs.shape[0] - 1, runs.shape[1] - 1, int(runs[0, 0]))
    first = [min(0, begin) for begin in offset]
    last = [max(n, begin + m) for n, begin, m in zip(source.shape, offset, shape, strict=True)]
    planes, rows, nodes = (b - a for a, b in zip(first, last, strict=True))
    # Empty rows and bits behind each plane and row keep what is shifted out from entering the next.
    rows += radius[1]
    words = -(-(nodes + radius[2]) // _WORD_BITS)
    # One row more than the ball reaches: what is shifted out of the first row must be there for the next shift.
    margin = (radius[0] * rows + radius[1] + 1) * words
    bits = np.zeros(planes * rows * words + 2 * margin, dtype=_WORD)
    block = bits[margin : bits.size - margin].reshape(planes, rows, words)
    i, j, k = (-begin for begin in first)
    block[i : i + source.shape[0], j : j + source.shape[1]] = _pack(source, k, words)

    top = offset[0] - first[0]
    near = np.zeros(shape[0] * rows * words, dtype=_WORD)
    begin = margin + top * rows * words
    reached = 0
    for run, columns in _columns(runs):
        _widen(bits, reached, run)
        reached = run
        for a, b in columns:
            shift = begin + (a * rows + b) * words
            np.bitwise_or(near, bits[shift : shift + near.size], out=near)
    j = offset[1] - first[1]
    found = near.reshape(shape[0], rows, words)[:, j : j + shape[1]]
    return _unpack(found, offset[2] - first[2], shape[2])


def _columns(runs: NDArray[np.int64]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Group the offsets (a, b) of a ball by the length of their run, ascending; each offset occurs once."""
    found: dict[int, list[tuple[int, int]]] = {}
    for a, row in enumerate(runs.tolist()):
        for b, run in enumerate(row):
            if run >= 0:
                signed = [(a, b), (-a, b)] if a else [(a, b)]
                found.setdefault(run, []).extend(signed)
                if b:
                    found[run].extend((c, -b) for c, _ in signed)
    return sorted(found.items())


def _widen(bits: Words, reached: int, run: int) -> None:
    """Grow runs of -reached..+reached to -run..+run along the rows, in place."""
    while reached < run:
        # A larger step than this would leave gaps between the copies.
        step = min(run - reached, 2 * reached + 1, _WORD_BITS - 1)
        up = bits << np.uint64(step)
        up[1:] |= bits[:-1] >> np.uint64(_WORD_BITS - step)
        up |= bits >> np.uint64(step)
        up[:-1] |= bits[1:] << np.uint64(_WORD_BITS - step)
        bits |= up
        reached += step


def _pack(mask: Mask, first: int, words: int) -> Words:
    """(A, B, C) nodes to (A, B, words), node 0 at bit `first`."""
    rows = np.zeros((*mask.shape[:2], words * _WORD_BITS), dtype=bool)
    rows[..., first : first + mask.shape[2]] = mask
    return np.packbits(rows, axis=-1, bitorder="little").view(_WORD)


def _unpack(words: Words, first: int, count: int) -> Mask:
    """(A, B, words) to (A, B, count) nodes, from bit `first`."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, bitorder="little", count=first + count)
    return bits[..., first:].view(bool)
