"""Dates pairs side by side: a few workers, each with a client at its own pace, as lanes have in their processes.

Workers share the weight budget, the counts of requests and the word that all of them stop; nothing else. What they find
is taken in the order of the pairs, so that a report reads the same whoever was first.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from binance_plugin.errors import (
    ArchiveError,
    BadConnection,
    Banned,
    BinanceError,
    BudgetUnavailable,
    ExchangeUnavailable,
    GeoBlocked,
    RateLimited,
)
from include.klines.errors import RefusedFile
from include.klines.settings import POOL_SLOTS
from include.klines.universe.classification import Pair, Unclassified
from include.klines.universe.dating import Dated, Dater

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from binance_plugin.client import BinanceClient
    from include.klines.universe.config import Universe

WORKERS = POOL_SLOTS
"""As many as lanes run side by side: 450 pairs take half a minute, the core 2 seconds."""
GIVE_UP_AFTER = 3
"""So many pairs in a row that could not be asked for are no longer those pairs' fault."""
STOPS_ALL = (RateLimited, Banned, GeoBlocked, ExchangeUnavailable, BudgetUnavailable, BadConnection)


class Question(NamedTuple):
    """A pair, what is known of it, and whether it is searched for long holes too."""

    pair: Pair
    known: Dated
    thorough: bool


class Dating:
    """The dates of many pairs, and what a report should name, in the order of the pairs.

    stopped_by: why asking ended before all pairs were asked for; what was found until then is kept.
    """

    def __init__(self, client: BinanceClient, universe: Universe, now: datetime) -> None:
        self._client, self._universe, self._now = client, universe, now
        self._stopped = threading.Event()
        self._of_this_thread = threading.local()
        self._failed_in_a_row = 0
        self.stopped_by: BinanceError | None = None
        self.unclassified: list[Unclassified] = []
        self.relisted: list[str] = []
        self.reused: list[str] = []
        self.undated: list[str] = []

    def run(self, questions: Sequence[Question], *, halted: bool) -> dict[str, Dated]:
        """What is known by now, by symbol; a pair that could not be asked for stays as it was.

        A single pair to ask for, or none, starts no thread. halted: see Dater.
        """
        dater = Dater(self._client, self._universe, self._now, halted=halted)
        open_questions = sum(not dater.is_settled(*question) for question in questions)
        if open_questions < 2:
            return {
                question.pair.symbol: self._taken(question, partial(dater.dated, *question)) for question in questions
            }

        def begin() -> None:
            client = self._client.beside(self._stopped)
            self._of_this_thread.dater = Dater(client, self._universe, self._now, halted=halted)

        with ThreadPoolExecutor(min(WORKERS, open_questions), "dating", initializer=begin) as pool:
            try:
                answers = [(question, pool.submit(self._ask, question)) for question in questions]
                return {question.pair.symbol: self._taken(question, answer.result) for question, answer in answers}
            finally:
                self._stopped.set()

    def _ask(self, question: Question) -> Dated:
        """In a worker: what stops all of them does so at once, whoever's turn it is to be taken."""
        dater: Dater = self._of_this_thread.dater
        try:
            return dater.dated(*question)
        except STOPS_ALL:
            self._stopped.set()
            raise

    def _taken(self, question: Question, answer: Callable[[], Dated]) -> Dated:
        pair, known, _ = question
        try:
            dated = answer()
        except InterruptedError:
            return known
        except STOPS_ALL as error:
            self._stop(error)
            return known
        except (BinanceError, RefusedFile) as error:
            self._failed_in_a_row += not isinstance(error, ArchiveError)
            self.unclassified.append(Unclassified(pair.exchange_symbol, f"its dates could not be found: {error}"))
            if self._failed_in_a_row >= GIVE_UP_AFTER and isinstance(error, BinanceError):
                self._stop(error)
            dated = known
        else:
            self._failed_in_a_row = 0
        if not dated.lives:
            self.undated.append(pair.symbol)
        self.unclassified += dated.findings
        self.relisted += [pair.symbol] if dated.relisted else []
        self.reused += [pair.symbol] if dated.reused else []
        return dated

    def _stop(self, error: BinanceError) -> None:
        self._stopped.set()
        self.stopped_by = self.stopped_by or error
