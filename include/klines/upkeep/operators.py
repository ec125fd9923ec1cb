"""The SQL operator of the gap fill: the lane loader, asked for gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.klines.load.operators import LoadLaneOperator

if TYPE_CHECKING:
    from include.klines.load.loading import LaneLoader


class FillGapsOperator(LoadLaneOperator):
    """Loads a lane of gaps: each one as a whole, and what REST and the archive find empty is noted as an attempt."""

    def _loader(self) -> type[LaneLoader]:
        from include.klines.upkeep.gap_filling import GapLoader

        return GapLoader
