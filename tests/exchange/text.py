"""Integer columns to the text Binance sends, all rows at once: CSV for the archive, JSON rows for REST."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tests.exchange.candles import Columns, Mask
    from tests.exchange.noise import Ints

Bytes = npt.NDArray[np.uint8]

_POWERS = np.array([10**i for i in range(1, 19)], dtype=np.int64)


@lru_cache(maxsize=1)
def _quads() -> Bytes:
    """The characters of 0000 … 9999."""
    numbers = np.arange(10_000)
    digits = [(numbers // 10**place) % 10 + ord("0") for place in (3, 2, 1, 0)]
    return np.stack(digits, axis=1).astype(np.uint8)


def _digits(values: Ints) -> Bytes:
    """Twenty digits a value, zeros in front."""
    groups = []
    rest = values
    for _ in range(5):
        upper = rest // 10_000
        groups.append(_quads()[rest - upper * 10_000])
        rest = upper
    return np.concatenate(groups[::-1], axis=1)


def _whole(values: Ints) -> tuple[Bytes, Mask]:
    """Integers without leading zeros: characters and which of them to keep."""
    width = np.searchsorted(_POWERS, values, side="right") + 1
    longest = int(width.max())
    return _digits(values)[:, 20 - longest :], np.arange(longest) >= (longest - width)[:, None]


def _fixed(values: Ints) -> tuple[Bytes, Mask]:
    """1e-8 units as decimals with eight places: characters and which of them to keep."""
    width = np.searchsorted(_POWERS, values // 100_000_000, side="right") + 1
    longest = int(width.max())
    digits = _digits(values)[:, 12 - longest :]
    point = np.full((len(values), 1), ord("."), dtype=np.uint8)
    characters = np.concatenate([digits[:, :longest], point, digits[:, longest:]], axis=1)
    keep = np.ones(characters.shape, dtype=bool)
    keep[:, :longest] = np.arange(longest) >= (longest - width)[:, None]
    return characters, keep


def _join(count: int, pieces: list[bytes | tuple[Bytes, Mask]]) -> bytes:
    characters, keeps = [], []
    for piece in pieces:
        if isinstance(piece, bytes):
            characters.append(np.broadcast_to(np.frombuffer(piece, dtype=np.uint8), (count, len(piece))))
            keeps.append(np.ones((count, len(piece)), dtype=bool))
        else:
            characters.append(piece[0])
            keeps.append(piece[1])
    text: bytes = np.concatenate(characters, axis=1)[np.concatenate(keeps, axis=1)].tobytes()
    return text


def rest_rows(columns: Columns) -> bytes:
    """The rows as /api/v3/klines writes them (milliseconds, decimals in quotes)."""
    if len(columns) == 0:
        return b"[]"
    c = columns
    pieces: list[bytes | tuple[Bytes, Mask]] = [b",[", _whole(c.open_time * 1000), b',"']
    for values in (c.open, c.high, c.low, c.close):
        pieces += [_fixed(values), b'","']
    pieces += [_fixed(c.volume), b'",', _whole(c.close_ms), b',"', _fixed(c.quote), b'",', _whole(c.trades), b',"']
    pieces += [_fixed(c.taker), b'","', _fixed(c.taker_quote), b'","0"]']
    return b"[" + _join(len(c), pieces)[1:] + b"]"


def archive_csv(columns: Columns, *, microseconds: bool) -> bytes:
    """The rows as an archive file holds them: no header, milliseconds or microseconds."""
    if len(columns) == 0:
        return b""
    c = columns
    scale = 1000 if microseconds else 1
    pieces: list[bytes | tuple[Bytes, Mask]] = [_whole(c.open_time * 1000 * scale), b","]
    for values in (c.open, c.high, c.low, c.close, c.volume):
        pieces += [_fixed(values), b","]
    pieces += [_whole(c.close_ms * scale + (scale - 1)), b",", _fixed(c.quote), b",", _whole(c.trades), b","]
    pieces += [_fixed(c.taker), b",", _fixed(c.taker_quote), b",0\n"]
    return _join(len(c), pieces)
