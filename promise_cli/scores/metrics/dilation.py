"""Dilation of a 3D mask by a ball.

The nodes of a row are stored as the bits of 64-bit words, so that 64 nodes are processed at a time.
"""

import numpy as np
from numpy.typing import NDArray

Index = tuple[int, int, int]
Mask = NDArray[np.bool_]
Words = NDArray[np.uint64]

_WORD = np.dtype("<u8")
_WORD_BITS = 64


def dilate(source: Mask, runs: NDArray[np.int64], offset: Index, shape: Index) -> Mask:
    """Find the nodes of a target window that have a source node inside a ball around them.

    Args:
        source: (S0, S1, S2), true for a source node.
        runs: (R0 + 1, R1 + 1), the reach of the ball along axis 2. At offset (a, b) along axes 0 and 1 the ball reaches
            from -runs[a, b] to +runs[a, b]; -1 where it does not reach. The values do not increase along either axis.
        offset: First node of the target window, counted from the first node of the source.
        shape: Shape of the target window, (T0, T1, T2).

    Returns:
        (T0, T1, T2), true where the ball around the node holds a source node.
    """
    radius = (runs.shape[0] - 1, runs.shape[1] - 1, int(runs[0, 0]))
    first = [min(0, begin) for begin in offset]
    last = [max(n, begin + m) for n, begin, m in zip(source.shape, offset, shape, strict=True)]
    planes, rows, nodes = (b - a for a, b in zip(first, last, strict=True))
    # Empty rows after each plane and empty bits after each row take up what is shifted out, so that it does not
    # enter the next plane or row.
    rows += radius[1]
    words = -(-(nodes + radius[2]) // _WORD_BITS)
    # The margin is one row larger than the reach of the ball, since the bits that are shifted out of the first row
    # are needed for the next shift.
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
    """Group the offsets (a, b) of a ball by the length of their run, in ascending order; each offset occurs once."""
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
        # A larger step would leave gaps between the copies. A word can be shifted by at most 63 bits.
        step = min(run - reached, 2 * reached + 1, _WORD_BITS - 1)
        up = bits << np.uint64(step)
        up[1:] |= bits[:-1] >> np.uint64(_WORD_BITS - step)
        up |= bits >> np.uint64(step)
        up[:-1] |= bits[1:] << np.uint64(_WORD_BITS - step)
        bits |= up
        reached += step


def _pack(mask: Mask, first: int, words: int) -> Words:
    """Pack nodes (A, B, C) into words (A, B, words), with node 0 of each row at bit `first`."""
    rows = np.zeros((*mask.shape[:2], words * _WORD_BITS), dtype=bool)
    rows[..., first : first + mask.shape[2]] = mask
    return np.packbits(rows, axis=-1, bitorder="little").view(_WORD)


def _unpack(words: Words, first: int, count: int) -> Mask:
    """Unpack words (A, B, words) into nodes (A, B, count), beginning at bit `first`."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, bitorder="little", count=first + count)
    return bits[..., first:].view(bool)
