"""How candles are drawn: hours from noise, minutes as a path inside their hour.

The hour comes first, so a range of hours costs only its own rows. Its sixty minutes wander from its open to its close,
touch its high and its low, and share its volume, turnover and trades without a remainder.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tests.exchange import noise
from tests.exchange.candles import UNITS, Columns, Mask, concat
from tests.exchange.universe import HOUR, OUTAGES

if TYPE_CHECKING:
    from tests.exchange.noise import Ints
    from tests.exchange.universe import Pair

Floats = npt.NDArray[np.float64]

_MARKET = noise.seed_of("the market as a whole")
_OCTAVES = range(16)
_DAY_SHAPE = np.array(
    [9, 10, 9, 8, 8, 7, 7, 8, 9, 9, 9, 9, 10, 12, 14, 15, 14, 13, 11, 11, 10, 10, 9, 9], dtype=np.int64
)  # tenths of the usual turnover, by hour of the day


class Series:
    """One life of a pair: its hours and, inside them, its minutes."""

    def __init__(self, pair: Pair, number: int) -> None:
        life = pair.lives[number]
        self.pair = pair
        self.seed = noise.seed_of(f"{pair.symbol} {number}")
        price = Decimal(life.price)
        digits = 6 if price >= 1000 else 4 if pair.stable else 5
        tick_exponent = max(price.adjusted() - digits, -8)
        steps = Decimal(pair.quote_per_hour) / price / 5_000_000
        step_exponent = max(steps.adjusted() + 1, -8 - tick_exponent)
        self.tick = int(UNITS * Decimal(10) ** tick_exponent)
        self.step = int(UNITS * Decimal(10) ** step_exponent)
        self.worth = int(UNITS * Decimal(10) ** (tick_exponent + step_exponent))
        self.base = int(price / Decimal(10) ** tick_exponent)
        # 1000 = 1 % = 0.0144 octaves between hours; the sum of the octaves of a walk moves about 2.2 x the first one
        self.octaves = range(6) if pair.stable else _OCTAVES
        self.amplitude = pair.volatility * (1 << noise.FRACTION_BITS) // 1000 * 14 // 1000

    def _ticks(self, hours: Ints) -> Ints:
        """The price (ticks) at the beginning of each hour (hours since 1970)."""
        level = noise.walk(self.seed, hours, self.amplitude, self.octaves)
        if not self.pair.stable:
            level = level + noise.walk(_MARKET, hours, self.amplitude * 7 // 10, self.octaves)
        return np.maximum(noise.times_power_of_two(self.base, level), 4)

    def hours(self, start: int, end: int) -> Columns:
        """The hours that open in [start, end), none left out: holes are the caller's."""
        index = np.arange(start // HOUR, -(-end // HOUR), dtype=np.int64)
        if len(index) == 0:
            return concat([])
        price = self._ticks(np.arange(index[0], index[-1] + 2, dtype=np.int64))
        close = price[1:]
        jitter = (noise.uniform(self.seed, 1, index) >> 14) - 1  # -1 … 2 ticks off the last close, seldom none
        open_ = np.maximum(price[:-1] + np.where(jitter == 2, 0, jitter), 2)
        swing = noise.times_power_of_two(1 << 10, sum_of(self.seed, index, (2, 4, 6), 1 << 23))
        usual = np.maximum((price[:-1] * self.pair.volatility // 100_000 * swing) >> 10, 2)
        up, down = noise.uniform(self.seed, 2, index), noise.uniform(self.seed, 3, index)
        top, bottom = np.maximum(open_, close), np.minimum(open_, close)
        high = top + ((((up * up) >> 16) * usual) >> 16)
        low = np.maximum(bottom - ((((down * down) >> 16) * usual) >> 16), 1)
        volume = self._volume(index, (open_ + high + low + close) >> 2, (high - low) * 256 // usual)
        quiet = self._quiet(index)
        if quiet is not None:
            open_, high, low, close = (np.where(quiet, price[:-1], x) for x in (open_, high, low, close))
            volume = np.where(quiet, 0, volume)
        middle = (open_ + high + low + close) >> 2
        trades = np.where(volume > 0, 60 + volume // (200 + (self.seed & 255)), 0)
        taker = (volume * (22_000 + noise.uniform(self.seed, 5, index) * 22_000 // 65_536)) >> 16
        return Columns(
            open_time=index * HOUR,
            open=open_ * self.tick,
            high=high * self.tick,
            low=low * self.tick,
            close=close * self.tick,
            volume=volume * self.step,
            close_ms=(index + 1) * HOUR * 1000 - 1,
            quote=volume * middle * self.worth,
            trades=trades,
            taker=taker * self.step,
            taker_quote=taker * middle * self.worth,
        )

    def _volume(self, index: Ints, middle: Ints, relative_range: Ints) -> Ints:
        """Steps traded an hour: more in wide hours, at the busy time of the day and in busy weeks."""
        mood = noise.times_power_of_two(1 << 12, sum_of(self.seed ^ 0x5A5A, index, (0, 5, 8, 11), 1 << 23))
        busy = (mood * _DAY_SHAPE[index % 24] // 10 * (96 + np.minimum(relative_range, 4096))) >> 8
        turnover = self.pair.quote_per_hour * UNITS // (1 << 12) * busy
        steps: Ints = np.clip(turnover // (middle * self.worth), 120, (1 << 31) - 1)
        return steps

    def _quiet(self, index: Ints) -> Mask | None:
        """Hours in which nothing is traded: flat and without volume."""
        return noise.uniform(self.seed, 6, index) < 9000 if self.pair.quiet else None

    def minutes(self, hours: Columns) -> Columns:
        """The minutes of the given hours (any of this life's, as `hours` made them or a revision changed them)."""
        if len(hours) == 0:
            return hours
        count = len(hours)
        first, until = _trading_minutes(hours.open_time)
        grid = np.arange(60, dtype=np.int64)
        active = (grid >= first[:, None]) & (grid < until[:, None])
        index = (hours.open_time // HOUR * 60)[:, None] + grid
        draw = noise.words(self.seed, 9, index.ravel()).reshape(count, 60)
        part = [((draw >> np.uint64(16 * i)) & np.uint64(0xFFFF)).astype(np.int64) for i in range(4)]

        low, high = hours.low // self.tick, hours.high // self.tick
        path = self._path(hours, high - low, part[0], first, until)
        open_, close = path[:, :60].copy(), path[:, 1:].copy()
        for column in (open_, close):
            np.clip(column, low[:, None], high[:, None], out=column)
        wick = (high - low)[:, None] // 10
        top = np.minimum(np.maximum(open_, close) + ((((part[1] * part[1]) >> 16) * wick) >> 16), high[:, None])
        bottom = np.maximum(np.minimum(open_, close) - ((((part[2] * part[2]) >> 16) * wick) >> 16), low[:, None])
        row = np.arange(count)
        top[row, np.where(active, top, -1).argmax(axis=1)] = high
        bottom[row, np.where(active, bottom, 1 << 62).argmin(axis=1)] = low

        volume, quote, trades, taker, taker_quote = self._shares(hours, active, part[3], (top + bottom) >> 1)
        keep = active.ravel()
        open_time = (index * 60).ravel()[keep]

        def flat(values: Ints, scale: int = 1) -> Ints:
            return values.ravel()[keep] * scale

        return Columns(
            open_time=open_time,
            open=flat(open_, self.tick),
            high=flat(top, self.tick),
            low=flat(bottom, self.tick),
            close=flat(close, self.tick),
            volume=flat(volume, self.step),
            close_ms=open_time * 1000 + 59_999,
            quote=flat(quote),
            trades=flat(trades),
            taker=flat(taker, self.step),
            taker_quote=flat(taker_quote),
        )

    def _path(self, hours: Columns, span: Ints, fine: Ints, first: Ints, until: Ints) -> Ints:
        """Prices (ticks) at the 61 minute marks: from the hour's open to its close, wandering within its span."""
        count = len(hours)
        start, end = hours.open // self.tick, hours.close // self.tick
        bends = _BRIDGE_15 @ _pinned(self.seed, 10, hours.open_time, 4).T  # exact: integers far below 2^53
        bends += _BRIDGE_5 @ _pinned(self.seed, 11, hours.open_time, 12).T * 0.5
        shape = np.zeros((count, 61), dtype=np.int64)
        shape[:] = bends.T.astype(np.int64)
        shape[:, 1:60] += (fine[:, 1:] - 32_768) * 3
        marks = np.arange(61, dtype=np.int64)
        path: Ints = start[:, None] + ((end - start)[:, None] * marks) // 60 + ((shape * span[:, None]) >> 21)
        path[:, 60] = end
        for row in np.flatnonzero((first > 0) | (until < 60)):
            length = int(until[row] - first[row])
            marks_inside = np.clip((marks - first[row]) * 60 // length, 0, 60)
            path[row] = path[row, marks_inside]
        return path

    def _shares(
        self,
        hours: Columns,
        active: Mask,
        draw: Ints,
        middle: Ints,
    ) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Volume (steps), quote, trades, taker (steps) and taker quote of each minute; rows sum to the hour's."""
        weight = np.where(active, ((draw * draw) >> 16) + 1024, 0)
        total = hours.volume // self.step
        volume = _apportion(total, weight)
        largest = volume.argmax(axis=1)
        row = np.arange(len(hours))
        whole = np.maximum(total, 1)

        traded = volume > 0
        trades = traded + _apportion(hours.trades - traded.sum(axis=1), volume)
        taker = _apportion(hours.taker // self.step, volume)

        per_step = middle * self.worth
        quote = volume * per_step
        left = hours.quote - quote.sum(axis=1)
        correction = left // whole
        quote += volume * correction[:, None]
        quote[row, largest] += left - correction * total

        taker_quote = taker * (per_step + correction[:, None])
        taker_quote[row, largest] += hours.taker_quote - taker_quote.sum(axis=1)
        return volume, quote, trades, taker, taker_quote


def sum_of(seed: int, index: Ints, octaves: tuple[int, ...], size: int) -> Ints:
    """A mood: smooth noises of equal size (2^-24 octaves at one draw of 131072), added."""
    total = np.zeros(len(index), dtype=np.int64)
    for octave in octaves:
        total += (noise.smooth(seed, 32 + octave, index, octave) * size) >> 17
    return total


def _apportion(total: Ints, weight: Ints) -> Ints:
    """Cut each total into integer parts by weight; the parts sum to it exactly and none exceeds its share by one."""
    running = np.cumsum(weight, axis=1)
    cut = (total[:, None] * running) // np.maximum(running[:, -1:], 1)
    return np.diff(cut, axis=1, prepend=0)


def _trading_minutes(hours: Ints) -> tuple[Ints, Ints]:
    """For each hour the first minute traded and the one after the last: 0 and 60 except beside an outage."""
    first, until = np.zeros(len(hours), dtype=np.int64), np.full(len(hours), 60, dtype=np.int64)
    for outage in OUTAGES:
        stop = outage.first_missing_minute
        until[hours == (stop - 1) // HOUR * HOUR] = (stop - 1) % HOUR // 60 + 1
        first[hours == outage.resume // HOUR * HOUR] = outage.resume % HOUR // 60
    return first, until


def _pinned(seed: int, channel: int, hours: Ints, parts: int) -> Floats:
    """Noise at the inner points of an hour cut into `parts`, as exact floats (an hour a row)."""
    inner = np.arange(1, parts, dtype=np.int64)
    index = (hours // HOUR * 16)[:, None] + inner
    return (noise.uniform(seed, channel, index.ravel()).reshape(len(hours), -1) * 2 - 65_536).astype(np.float64)


def _bridge(parts: int) -> Floats:
    """Linear interpolation from the inner points of an hour to its 61 minute marks; a point has weight 15."""
    width = 60 // parts
    matrix = np.zeros((61, parts - 1))
    for mark in range(61):
        left, inside = divmod(mark, width)
        for point, share in ((left, width - inside), (left + 1, inside)):
            if 1 <= point < parts:
                matrix[mark, point - 1] = share * (60 // width)
    return matrix / 4


_BRIDGE_15 = _bridge(4)
_BRIDGE_5 = _bridge(12)
