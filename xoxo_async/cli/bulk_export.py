"""`xoxo bulk export`: a row for every voucher, into a file that nobody else can read."""

import csv
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final, TextIO

import anyio
import msgspec

from xoxo_async.bulk.evidence import mismatch, ordered, stored_codes
from xoxo_async.bulk.ledger import Alarm, Delivery, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger_sqlite import SqliteLedger
from xoxo_async.bulk.vouchers import StoredCode, codes_of
from xoxo_async.cli.alarms import tell_alarms
from xoxo_async.cli.bulk_books import go_on
from xoxo_async.cli.connect import Connection, open_client, run_async
from xoxo_async.cli.exits import scrub
from xoxo_async.cli.files import private_file
from xoxo_async.cli.render import count, json_text, mask, out, say
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, NotFoundError

__all__ = ["run_export"]

_CHUNK: Final = 200
_AT_ONCE: Final = 16


class Row(msgspec.Struct):
    """One row of an export: a voucher, or an order without."""

    key: str
    po_number: str
    order_id: int | None
    state: str
    delivery: str
    product_id: int
    denomination: str
    quantity: int
    email: str
    code: str
    pin: str
    valid_to: str
    amount: str
    currency: str
    error: str


Codes = dict[int, tuple[StoredCode, ...]]


class Exported(msgspec.Struct):
    """What an export wrote.

    Attributes:
        rows: Rows.
        codes: Of them, those with a whole code.
        fetched: Orders whose codes were fetched from the vendor.
        missing: Delivered orders whose codes are not in the ledger.
        waiting: Orders whose codes are still to be delivered.
        alarms: What must reach a person before codes are handed out; the first hundred.
        alarms_total: How many there are.
    """

    rows: int = 0
    codes: int = 0
    fetched: int = 0
    missing: int = 0
    waiting: int = 0
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0


def run_export(ledger: Path, path: Path, connection: Connection, *, reveal: bool, as_json: bool) -> None:
    """Write the ledger's lines and codes to a file; an older export of that name is replaced, since this one has more.

    Args:
        ledger: The ledger.
        path: The file, `.csv` or `.jsonl`.
        connection: Where codes the ledger does not keep are fetched from.
        reveal: Whether codes are written as they are.
        as_json: Whether to print what was done as JSON.

    Raises:
        ConfigError: When the file cannot be written, or is of another kind; or credentials are missing to fetch codes.
        XoxoError: When the ledger or the vendor fails; no file is left then.
    """
    kind = path.suffix.lower()
    if kind not in {".csv", ".jsonl"}:
        raise ConfigError(f"--out must end in .csv or .jsonl, not {path.suffix or 'nothing'}")
    if path.resolve() == ledger.resolve():
        raise ConfigError("--out must not be the ledger")
    _keep_what_is_no_export(path)

    async def work() -> tuple[Exported, str]:
        async with SqliteLedger(ledger, must_exist=True) as opened:
            with private_file(path) as file:
                write = _csv_writer(file) if kind == ".csv" else _jsonl_writer(file)
                done = await _Export(opened, connection, reveal=reveal).write(write)
            return done, await go_on(opened, "reconcile") if done.waiting else ""

    done, collect = run_async(work)
    if as_json:
        told = {"out": str(path), **msgspec.to_builtins(done), "revealed": reveal, "continue_with": collect}
        out(json_text(told))
        return
    shown = "in clear" if reveal else "masked; --reveal writes them"
    say(f"{count(done.rows, 'row')} in {path}, {count(done.codes, 'code')} {shown}")
    if done.waiting:
        waits = "order waits for its codes" if done.waiting == 1 else "orders wait for their codes"
        say(f"{done.waiting:,} {waits}; collect them, and export again\ncollect them with: {collect}")
    if done.missing:
        say(f"{count(done.missing, 'delivered order')} without codes in this ledger; --reveal fetches them")
    tell_alarms(done.alarms, done.alarms_total)


def _keep_what_is_no_export(path: Path) -> None:
    """Refuse to replace a file that is no older export: what such a file holds can be had again, no other's can."""
    try:
        with path.open("rb") as file:
            first = file.readline(4096)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    names = Row.__struct_fields__
    if first.strip() == ",".join(names).encode() or not first:
        return
    with suppress(msgspec.MsgspecError):
        row = msgspec.json.decode(first)
        if isinstance(row, dict) and tuple(row) == names:
            return
    raise ConfigError(f"{path} is there already and is no older export, so it is not overwritten")


def _csv_writer(file: TextIO) -> Callable[[Row], None]:
    writer = csv.writer(file)
    names = Row.__struct_fields__
    writer.writerow(names)
    return lambda row: writer.writerow([getattr(row, name) for name in names])


def _jsonl_writer(file: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        file.write(f"{json_text(row)}\n")

    return write


class _Export:
    """One export: a chunk of lines at a time, so that a ledger of any size fits.

    Args:
        ledger: The ledger.
        connection: Where codes that are not kept are fetched from; opened only if there are any.
        reveal: Whether codes are written as they are.
    """

    def __init__(self, ledger: SqliteLedger, connection: Connection, *, reveal: bool) -> None:
        self._ledger: Final = ledger
        self._connection: Final = connection
        self._reveal: Final = reveal
        self._done: Final = Exported()
        self._client: XoxoClient | None = None

    async def write(self, write: Callable[[Row], None]) -> Exported:
        """Write every line.

        Args:
            write: Takes one row.
        """
        async with AsyncExitStack() as stack:
            async for chunk in self._chunks():
                fetched = await self._fetch([line for line in chunk if _has_codes_elsewhere(line)], stack)
                packed = await self._ledger.packed(chunk)
                for line in chunk:
                    self._done.waiting += line.state is LineState.PLACED and line.delivery is Delivery.PENDING
                    codes = fetched.get(line.seq) or codes_of(line.codes)
                    for row in self._rows(line, codes, packed.get(line.seq, [])):
                        write(row)
        counts = await self._ledger.counts()
        self._done.alarms, self._done.alarms_total = counts.alarms, counts.alarms_total
        return self._done

    async def _chunks(self) -> AsyncIterator[list[LedgerLine]]:
        chunk: list[LedgerLine] = []
        async for line in self._ledger.lines(with_codes=True):
            chunk.append(line)
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
        yield chunk

    async def _fetch(self, lines: list[LedgerLine], stack: AsyncExitStack) -> Codes:
        """Read the codes the ledger does not keep; only to show them, since each costs a rate-limited call."""
        if not self._reveal:
            self._done.missing += len(lines)
            return {}
        if not lines:
            return {}
        if self._client is None:
            self._client = await stack.enter_async_context(open_client(self._connection))
        client, places = self._client, anyio.Semaphore(_AT_ONCE)
        found: dict[int, bytes] = {}

        async def one(line: LedgerLine) -> None:
            async with places:
                try:
                    order = await client.orders.get(order_id=line.order_id)
                except NotFoundError:
                    return
            if not mismatch(line, order):
                found[line.seq] = msgspec.json.encode(stored_codes(order))

        async with anyio.create_task_group() as group:
            for line in lines:
                group.start_soon(one, line)
        self._done.fetched += len(lines)
        return await self._ledger.vet(found)

    def _rows(self, line: LedgerLine, codes: tuple[StoredCode, ...], packed: Sequence[PackedLine]) -> Iterable[Row]:
        """Return the rows of an order: its own, or those of the lines that share it, each with its own codes."""
        if line.lines == 1 or (codes and not packed):
            yield from self._rows_of(line, line.key, line.request, codes, line.delivery)
        for one in packed:
            dealt = codes[one.first : one.end]
            delivery = Delivery.DELIVERED if one.end <= line.held else line.delivery
            yield from self._rows_of(line, one.key, one.body.encode(), dealt, delivery)

    def _rows_of(
        self, line: LedgerLine, key: str, request: bytes, codes: tuple[StoredCode, ...], delivery: Delivery
    ) -> Iterable[Row]:
        wanted = ordered(request)
        for code in codes or (StoredCode(""),):
            self._done.rows += 1
            self._done.codes += bool(code.code) and code.whole
            yield Row(
                key=key,
                po_number=line.po_number,
                order_id=line.order_id,
                state=line.state.value,
                delivery=delivery.value,
                product_id=wanted.product_id,
                denomination=f"{wanted.denomination:f}",
                quantity=wanted.quantity,
                email=wanted.email or "",
                code=mask(code.code, reveal=self._reveal),
                pin=mask(code.pin, reveal=self._reveal),
                valid_to=code.valid_to,
                amount=code.amount,
                currency=code.currency,
                error=scrub(line.error),
            )


def _has_codes_elsewhere(line: LedgerLine) -> bool:
    return line.state is LineState.PLACED and line.delivery is Delivery.DELIVERED and line.codes is None
