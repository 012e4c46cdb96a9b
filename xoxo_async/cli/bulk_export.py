"""`xoxo bulk export`: a row for every voucher, into a file that nobody else can read; what it lacks is told."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final, TextIO

import anyio
import msgspec

from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.ledger.lines import Alarm, Delivery, LedgerLine, LineState, PackedLine
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger
from xoxo_async.bulk.ledger.vouchers import StoredCode, codes_of
from xoxo_async.bulk.running.evidence import mismatch, ordered, stored_codes
from xoxo_async.cli.alarms import tell_alarms
from xoxo_async.cli.bulk_books import go_on
from xoxo_async.cli.cells import csv_line, is_formula, shown
from xoxo_async.cli.connect import Connection, open_client, run_async
from xoxo_async.cli.exits import REJECTED, UNKNOWN, scrub
from xoxo_async.cli.files import private_file
from xoxo_async.cli.render import count, json_text, mask, out, say
from xoxo_async.client import XoxoClient
from xoxo_async.errors import ConfigError, NotFoundError

__all__ = ["run_export"]

_CHUNK: Final = 200
_AT_ONCE: Final = 16
_NAMED: Final = 20
_TEXTS: Final = frozenset({"key", "po_number", "state", "delivery", "email", "valid_to", "currency", "error"})
"""Columns whose words are the caller's or the vendor's. Codes and PINs are not among them: they stay exact."""
_IN_DOUBT: Final = frozenset({LineState.SENDING, LineState.UNKNOWN, LineState.CONFLICT, LineState.MANUAL})


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


class Lack(msgspec.Struct, frozen=True):
    """A row of the job whose codes are not all in the file.

    Attributes:
        key: The row's key.
        why: Why they are not.
    """

    key: str
    why: str


class Exported(msgspec.Struct):
    """What an export wrote.

    Attributes:
        rows: Rows.
        codes: Of them, those with a whole code.
        fetched: Orders whose codes were fetched from the vendor.
        missing: Rows of the job whose codes are not all in the file, though their order exists or may exist.
        waiting: Orders whose codes are still to be delivered; their rows are among the missing.
        not_sent: Rows of the job that no order was placed for yet.
        formulas: Codes and PINs that a spreadsheet would run: they are written as they are.
        missing_rows: The first of the missing rows.
        alarms: What must reach a person before codes are handed out; the first hundred.
        alarms_total: How many there are.
    """

    rows: int = 0
    codes: int = 0
    fetched: int = 0
    missing: int = 0
    waiting: int = 0
    not_sent: int = 0
    formulas: int = 0
    missing_rows: list[Lack] = msgspec.field(default_factory=list)
    alarms: tuple[Alarm, ...] = ()
    alarms_total: int = 0

    @property
    def exit_code(self) -> int:
        """4 for an alarm, 3 when a row that is to have a code lacks it in the file, and 0 otherwise."""
        if self.alarms_total:
            return UNKNOWN
        return REJECTED if self.missing or self.not_sent else 0

    def lacks(self, key: str, why: str) -> None:
        """Count a row whose codes are not all in the file.

        Args:
            key: Its key.
            why: Why they are not.
        """
        self.missing += 1
        if len(self.missing_rows) < _NAMED:
            self.missing_rows.append(Lack(key, why))


def run_export(ledger: Path, path: Path, connection: Connection, *, reveal: bool, as_json: bool) -> int:
    """Write the ledger's lines and codes to a file; an older export of that name is replaced, since this one has more.

    Args:
        ledger: The ledger.
        path: The file, `.csv` or `.jsonl`.
        connection: Where codes the ledger does not keep are fetched from.
        reveal: Whether codes are written as they are.
        as_json: Whether to print what was done as JSON.

    Returns:
        The exit code: 4 for an alarm, 3 where codes are missing.

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
            return done, await _follow(opened, done)

    done, follow = run_async(work)
    _tell(done, path, follow, reveal=reveal)
    if as_json:
        told = {"out": str(path), **msgspec.to_builtins(done), "revealed": reveal, "exit_code": done.exit_code}
        out(json_text({**told, "continue_with": follow}))
    return done.exit_code


async def _follow(ledger: SqliteLedger, done: Exported) -> str:
    """Return the command after which an export has more; empty where none would help."""
    counts = await ledger.counts()
    if done.not_sent or counts.unknown > counts.states.get(LineState.MANUAL, 0):
        return await go_on(ledger, "resume")
    return await go_on(ledger, "reconcile") if done.waiting else ""


def _tell(done: Exported, path: Path, follow: str, *, reveal: bool) -> None:
    """Say what was written, and what is not in it."""
    in_clear = "in clear" if reveal else "masked; --reveal writes them"
    say(f"{count(done.rows, 'row')} in {path}, {count(done.codes, 'code')} {in_clear}")
    if done.formulas and reveal and path.suffix.lower() == ".csv":
        say(
            f"{count(done.formulas, 'cell')} with a code or PIN begins with a sign that a spreadsheet calculates with: "
            "open the file with these columns as text, or export .jsonl"
        )
    if done.missing:
        say(f"warning: {count(done.missing, 'row')} without all of the codes")
        for lack in done.missing_rows:
            say(f"  {lack.key}: {lack.why}")
        more = done.missing - len(done.missing_rows)
        if more:
            say(f"  … and {more:,} more")
    if done.not_sent:
        say(f"warning: {count(done.not_sent, 'row')} not sent yet")
    if done.waiting:
        waits = "order waits for its codes" if done.waiting == 1 else "orders wait for their codes"
        say(f"{done.waiting:,} {waits}; collect them, and export again")
    tell_alarms(done.alarms, done.alarms_total)
    if follow:
        say(f"{'collect them' if ' reconcile ' in follow else 'continue'} with: {follow}")


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
    names = Row.__struct_fields__
    file.write(csv_line(names))

    def write(row: Row) -> None:
        file.write(csv_line(_cell(name, getattr(row, name)) for name in names))

    return write


def _cell(name: str, value: object) -> str:
    text = "" if value is None else str(value)
    return shown(text) if name in _TEXTS else text


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
        self._unfetched: Final[dict[int, str]] = {}
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
        self._unfetched.clear()
        if not self._reveal or not lines:
            return {}
        if self._client is None:
            self._client = await stack.enter_async_context(open_client(self._connection))
            identity = identity_of(self._client, self._connection.ledgers_name)
            await check_identity(self._client, self._ledger, identity)
        client, places = self._client, anyio.Semaphore(_AT_ONCE)
        found: dict[int, bytes] = {}

        async def one(line: LedgerLine) -> None:
            async with places:
                try:
                    order = await client.orders.get(order_id=line.order_id)
                except NotFoundError:
                    self._unfetched[line.seq] = f"the vendor does not find order {line.order_id}"
                    return
            if difference := mismatch(line, order, dated=False):
                self._unfetched[line.seq] = f"order {line.order_id} at the vendor is another one: {difference}"
            else:
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
        why = self._lack(line, delivery, sum(bool(code.code) for code in codes), wanted.quantity)
        if why:
            self._done.lacks(key, why)
        self._done.not_sent += line.state is LineState.PLANNED
        for code in codes or (StoredCode(""),):
            self._done.formulas += is_formula(code.code) or is_formula(code.pin)
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

    def _lack(self, line: LedgerLine, delivery: Delivery, codes: int, pieces: int) -> str:
        """Return why a row has fewer codes than it is to have; empty when it has them all, or none will come.

        Args:
            line: The order the row travels in.
            delivery: Of the row.
            codes: How many codes it has.
            pieces: How many vouchers it ordered.
        """
        if line.state in _IN_DOUBT:
            return f"its order may exist, nobody knows yet ({line.state.value})"
        if line.state is not LineState.PLACED or delivery is Delivery.CANCELLED:
            return ""
        if delivery is not Delivery.DELIVERED:
            return "its codes are still to be delivered"
        # Top-ups, goods and the like are delivered without a code: none was ever seen of them.
        seen = min(line.held, pieces)
        if codes >= seen:
            return ""
        elsewhere = "this ledger keeps no codes, and --reveal fetches them"
        at_vendor = f"the vendor gave {codes} of {seen} codes"
        return self._unfetched.get(line.seq) or (at_vendor if self._reveal else elsewhere)


def _has_codes_elsewhere(line: LedgerLine) -> bool:
    return line.state is LineState.PLACED and line.delivery is Delivery.DELIVERED and line.codes is None
