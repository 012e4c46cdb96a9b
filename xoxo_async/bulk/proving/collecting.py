"""Collect the facts of a proof: the ledger's lines, the order history, look-ups and the payment report.

Nothing here moves money or writes into the ledger. Calls wait for their turn within the client's limits.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from typing import Final, TypeVar

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.comparing import judge, needs_lookup
from xoxo_async.bulk.proving.days import Days
from xoxo_async.bulk.proving.facts import Asked, LineFacts, Scope, line_facts, order_facts
from xoxo_async.bulk.proving.notebook import Notebook, Range
from xoxo_async.bulk.proving.vendor import Vendor
from xoxo_async.bulk.proving.wallet import payment_facts
from xoxo_async.bulk.running.evidence import ordered
from xoxo_async.errors import ApiError, DecodeError, NotFoundError, RateLimitedError, ServerError, XoxoError
from xoxo_async.paging import Page
from xoxo_async.services.account.replies import Payment

__all__ = [
    "Tell",
    "begin_scope",
    "find_doubtful",
    "in_chunks",
    "look_up",
    "ranges_of",
    "read_history",
    "read_ledger",
    "read_payments",
    "refresh_lines",
]

T = TypeVar("T")

Tell = Callable[[str, int], None]
"""Is told what is being done, and how much of it is done."""

_PAGE: Final = 100
"""Items a page. The vendor documents no maximum; more calls of a hundred are surer than one of a million."""
_DAY: Final = timedelta(days=1)
_DAYS: Final = 31
_MOST_PAGES: Final = 100_000
"""More pages than any range of days has: ten million orders."""
_CHUNK: Final = 500
_AT_ONCE: Final = 16
"""Look-ups at once. The rate limit bounds them; a few are enough to use its 200 a minute (wire documentation § 5)."""
_BATCH: Final = 200


def begin_scope(
    notes: Notebook, job: str, terms: list[object], days: Days, clock: Callable[[], float], *, history: bool
) -> Scope:
    """Return what a proof covers. One that was interrupted goes on with the days and the moment that it began with.

    Args:
        notes: What was read so far.
        job: The job's name.
        terms: What the proof is about. Notes with other terms are of another proof, and are forgotten.
        days: The days of a proof that begins now.
        clock: The time, in seconds since the epoch.
        history: Whether the order history is read too, and not the payment report alone.
    """
    # A payment may be of the day before its order's or its row's, by another clock of the vendor's.
    ranges = {"payments": ranges_of(days.first - _DAY, days.last)}
    if history:
        ranges["history"] = ranges_of(days.first, days.last)
    begun = notes.begin(
        msgspec.json.encode(terms).decode(),
        newest=days.newest,
        scope=msgspec.json.encode([days.first, days.last, clock()]).decode(),
        ranges=ranges,
    )
    first, last, began = msgspec.json.decode(begun, type=tuple[date, date, float])
    return Scope(job, first, last, began)


async def read_ledger(ledger: Ledger, notes: Notebook, tell: Tell) -> None:
    """Note every order of the ledger, and every row that travels in another order."""
    done = 0
    async for chunk in in_chunks(ledger.lines()):
        notes.add_lines(await _facts_of(ledger, chunk))
        done += len(chunk)
        tell("ledger", done)


async def in_chunks(items: AsyncIterable[T] | Iterable[T]) -> AsyncIterator[list[T]]:
    """Yield items in lists of five hundred; the last one may be shorter.

    Args:
        items: The items.
    """
    if not isinstance(items, AsyncIterable):
        rest = iter(items)
        while chunk := list(islice(rest, _CHUNK)):
            yield chunk
        return
    chunk = []
    async for item in items:
        chunk.append(item)
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _facts_of(ledger: Ledger, chunk: list[LedgerLine]) -> list[LineFacts]:
    facts = [line_facts(line, ordered(line.body)) for line in chunk]
    packs = [line for line in chunk if line.lines > 1]
    packed = await ledger.packed(packs) if packs else {}
    for line in packs:
        facts += [
            LineFacts(one.po_number, one.key, one.row, 0, line.state.value, line.order_id)
            for one in packed.get(line.seq, ())
        ]
    return facts


async def refresh_lines(ledger: Ledger, notes: Notebook, scope: Scope) -> None:
    """Read those lines of the ledger again that do not agree: a worker may have gone on meanwhile."""
    doubted = 0
    unclear = (case.po_number for case in notes.cases() if case.line is not None and judge(case, scope))
    async for chunk in in_chunks(unclear):
        doubted = notes.add_todo(chunk)
        await checkpoint()
    if not doubted:
        return
    async for lines in in_chunks(ledger.lines()):
        noted = notes.noted(line.po_number for line in lines)
        again = [line for line in lines if line.po_number in noted]
        if again:
            notes.add_lines([line_facts(line, ordered(line.body)) for line in again])
    notes.clear_todo()


def ranges_of(first: date, last: date) -> Iterator[tuple[str, str]]:
    """Yield ranges of days that cover all days from the first to the last. Each begins with the last day of another.

    The vendor does not say whether the last day of a range belongs to it (wire documentation § 4.6). So each range asks
    for one day more than it needs.

    Args:
        first: The first day.
        last: The last day.
    """
    while first <= last:
        end = min(first + timedelta(days=_DAYS), last + timedelta(days=1))
        yield first.isoformat(), end.isoformat()
        first = end


async def read_history(client: Vendor, notes: Notebook, tell: Tell) -> str:
    """Read the order history of all ranges that are not read yet.

    Returns:
        Why it could not be read to its end; empty if it was.
    """
    while (place := notes.next_range("history")) is not None:
        first, last = _days(place)
        before: tuple[int, ...] = ()
        # A page that was read last is read again: the list may have grown by less than a page since then.
        for number in range(max(place.page, 1), _MOST_PAGES):
            page = await client.orders.list_history(first, last, page=number, limit=_PAGE)
            notes.count_call("getOrderHistory")
            ids = tuple(order.order_id for order in page.items)
            if ids and ids == before:
                return f"page {number} of its days {first} to {last} is page {number - 1} again"
            notes.add_page(place, [order_facts(order) for order in page.items], number, done=_is_end(page))
            tell("history", (number - 1) * _PAGE + len(ids))
            if _is_end(page):
                break
            before = ids
        else:
            return f"it has no end for the days {first} to {last}"
    return ""


def _is_end(page: "Page[T]") -> bool:
    """Return whether a page is the last one. A server that ignores the limit sends the whole list as page 1."""
    return page.is_last or len(page) > page.limit


def _days(place: Range) -> tuple[date, date]:
    return date.fromisoformat(place.first), date.fromisoformat(place.last)


async def find_doubtful(notes: Notebook, scope: Scope, *, thorough: bool) -> int:
    """Note whose orders must be looked up because the history is not enough; return how many there are.

    Args:
        notes: The notebook.
        scope: What the proof looks at.
        thorough: Whether each order is looked up.
    """
    doubtful = 0
    unclear = (case.po_number for case in notes.cases() if needs_lookup(case, scope, thorough=thorough))
    async for chunk in in_chunks(unclear):
        doubtful = notes.add_todo(chunk)
        await checkpoint()  # Ctrl-C ends a long comparison too
    return doubtful


async def look_up(client: Vendor, notes: Notebook, tell: Tell) -> None:
    """Look up the order of each line that is noted for it, by its poNumber and then by its order id.

    Raises:
        XoxoError: A look-up failed. What was found before is kept.
    """
    done = 0
    while batch := notes.todo(_BATCH):
        found: list[tuple[str, Asked]] = []
        calls: list[int] = []
        try:
            await _look_up_all(client, batch, found, calls)
        finally:
            notes.add_asked(found, calls=sum(calls))
        done += len(batch)
        tell("details", done)


async def _look_up_all(
    client: Vendor, lines: Iterable[LineFacts], found: list[tuple[str, Asked]], calls: list[int]
) -> None:
    """Look up some lines, and add what was found to two lists, also where a later look-up fails."""
    failed: list[XoxoError] = []
    places = anyio.Semaphore(_AT_ONCE)

    async def ask(line: LineFacts) -> None:
        async with places:
            try:
                asked, made = await _ask(client, line)
            except XoxoError as error:
                failed.append(error)
                group.cancel_scope.cancel()
            else:
                found.append((line.po_number, asked))
                calls.append(made)

    async with anyio.create_task_group() as group:
        for line in lines:
            group.start_soon(ask, line)
    if failed:
        raise failed[0]


async def _ask(client: Vendor, line: LineFacts) -> tuple[Asked, int]:
    order = await client.orders.find(line.po_number)
    if order is not None:
        return Asked(by_po=order_facts(order)), 1
    if line.order_id is None or line.state != LineState.PLACED:
        return Asked(), 1
    try:
        order = await client.orders.get(order_id=line.order_id)
    except NotFoundError:
        return Asked(), 2
    return Asked(by_id=order_facts(order)), 2


async def read_payments(client: Vendor, notes: Notebook, tell: Tell) -> str:
    """Read the payment report of all ranges that are not read yet.

    Returns:
        Why it could not be read; empty if it was. A proof goes on without it, and says so.

    Raises:
        XoxoError: The call failed in a way that may pass, such as a broken network.
    """
    while (place := notes.next_range("payments")) is not None:
        first, last = _days(place)
        before: tuple[Payment, ...] = ()
        for number in range(max(place.page, 1), _MOST_PAGES):
            try:
                page = await client.account.list_payments(first, last, page=number, limit=_PAGE)
            except (RateLimitedError, ServerError):
                raise
            except (ApiError, DecodeError) as error:
                return error.message
            notes.count_call("paymentHistory")
            items = tuple(page.items)
            if items and items == before:
                return f"page {number} of its days {first} to {last} is page {number - 1} again"
            rows = [(_identity(row), payment_facts(row)) for row in items]
            notes.add_payments(place, rows, number, done=_is_end(page))
            tell("payments", (number - 1) * _PAGE + len(items))
            if _is_end(page):
                break
            before = items
        else:
            return f"it has no end for the days {first} to {last}"
    return ""


def _identity(row: Payment) -> str:
    facts = (
        row.invoice_number,
        row.reference_id,
        row.date_,
        row.reason,
        row.adjusted_amount,
        row.closing_balance,
    )
    return "\n".join("" if fact is None else str(fact) for fact in facts)
