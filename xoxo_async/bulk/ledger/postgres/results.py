"""Results on their way into the database: all at once, and after an error about a value each line's by themselves.

A database that fails keeps every result waiting, and nothing is claimed meanwhile. A single result that can never be
written, such as an amount that no column holds, must not do that: it is put aside with an alarm, and tried again each
minute and at the end. Its line stays under way for this worker; once the worker has ended, another one looks it up.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.lines import Change
from xoxo_async.bulk.ledger.postgres.records import Records
from xoxo_async.bulk.ledger.recording import RecordRequest
from xoxo_async.errors import LedgerError
from xoxo_async.postgres.failures import DatabaseError, is_about_a_value

__all__ = ["Outcome", "Results"]

_LOG: Final = logging.getLogger("xoxo_async")
_AGAIN_S: Final = 60.0


class Outcome(NamedTuple):
    """What became of results.

    Attributes:
        stop: Why nothing may be claimed: results are kept that the database does not take now.
        errors: Why a request was not written, by its `id`.
    """

    stop: LedgerError | None = None
    errors: Mapping[int, LedgerError] = {}


class Results:
    """The results of an open ledger that are not written yet.

    Args:
        records: Writes them.
    """

    def __init__(self, records: Records) -> None:
        self._records: Final = records
        self._kept: list[RecordRequest] = []
        self._aside: list[RecordRequest] = []
        self._again_at = 0.0

    async def write(self, requests: Sequence[RecordRequest]) -> Outcome:
        """Write results, those first that wait.

        Args:
            requests: New ones.
        """
        waiting, self._kept = [*self._kept, *requests], []
        outcome = Outcome()
        if waiting:
            try:
                await self._records.write(waiting)
            except Exception as error:  # noqa: BLE001 - every error must reach the callers
                outcome = await self._apart(waiting) if _is_about_one(error) else self._keep(waiting, error, {})
        if self._aside and outcome.stop is None and time.monotonic() >= self._again_at:
            await self._try_aside()
        return outcome

    async def end(self) -> None:
        """Try once more to write what is left."""
        self._again_at = 0.0
        await self.write([])

    def _keep(self, requests: Sequence[RecordRequest], error: Exception, errors: dict[int, LedgerError]) -> Outcome:
        self._kept = list(requests)
        results = sum(len(request.changes) for request in requests)
        stop = LedgerError(
            f"{_said(error)}; results kept in memory until the database answers: {results}. If the process ends before,"
            " they are lost with it, and their rows are in doubt"
        )
        return Outcome(stop, errors | {id(request): stop for request in requests})

    async def _apart(self, requests: Sequence[RecordRequest]) -> Outcome:
        errors: dict[int, LedgerError] = {}
        for place, request in enumerate(requests):
            parts = _parts(request)
            for part in parts:
                try:
                    await self._records.write([part])
                except Exception as error:  # noqa: BLE001 - every error must reach the callers
                    if not _is_about_one(error):
                        return self._keep(requests[place:], error, errors)
                    errors[id(request)] = await self._put_aside(part, error)
            _put_together(request, parts)
        return Outcome(errors=errors)

    async def _put_aside(self, part: RecordRequest, error: Exception) -> LedgerError:
        """Keep a result that cannot be written where it hinders nobody, and raise an alarm."""
        self._aside.append(part)
        self._again_at = time.monotonic() + _AGAIN_S
        seqs = sorted({change.seq for change in part.changes})
        named = f"a result of line {seqs[0]}" if seqs else "a doubt"
        text = f"{named} cannot be written, and is kept in memory: {_said(error)}"
        _LOG.error("%s", text)
        with suppress(DatabaseError, LedgerError):
            await self._records.alarm(seqs, text)
        return LedgerError(f"{text}; it is tried again each minute while this process runs")

    async def _try_aside(self) -> None:
        self._again_at = time.monotonic() + _AGAIN_S
        aside, self._aside = self._aside, []
        for place, part in enumerate(aside):
            try:
                await self._records.write([part])
            except Exception as error:  # noqa: BLE001 - it is no reason to end the writing task
                _LOG.warning("a result still cannot be written: %s", _said(error))
                self._aside.append(part)
                if not _is_about_one(error):
                    self._aside += aside[place + 1 :]
                    return


def _is_about_one(error: Exception) -> bool:
    """Return whether other results may well be written."""
    return is_about_a_value(error) if isinstance(error, DatabaseError) else True


def _said(error: Exception) -> str:
    """Return what an error says, without the values that a foreign one may repeat."""
    return error.message if isinstance(error, (DatabaseError, LedgerError)) else type(error).__name__


def _parts(request: RecordRequest) -> list[RecordRequest]:
    """Return a request's facts, those of each line as a request of its own.

    Each part has all doubts, because an answer and its doubt are kept together; to doubt twice changes nothing.
    """
    lines: dict[int, list[Change]] = {}
    for change in request.changes:
        lines.setdefault(change.seq, []).append(change)
    if len(lines) <= 1:
        return [request]
    rules, doubts = request.rules, request.doubts
    return [RecordRequest(tuple(ours), rules, doubts, shared=request.shared) for ours in lines.values()]


def _put_together(request: RecordRequest, parts: Sequence[RecordRequest]) -> None:
    """Fill a request with what its parts were filled with."""
    if parts == [request]:
        return
    after = {id(change): line for part in parts for change, line in zip(part.changes, part.lines, strict=False)}
    doubted = {line.seq: line for part in parts for line in part.lines[len(part.changes) :]}
    request.refused = [text for part in parts for text in part.refused]
    request.unapplied = {seq for part in parts for seq in part.unapplied}
    request.lines = [after[id(change)] for change in request.changes if id(change) in after] + list(doubted.values())
