"""`Once`: one message makes one order, however often and to however many workers it is delivered."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import anyio
import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.exporting.fetching import CodeFetcher
from xoxo_async.bulk.identity import check_identity, identity_of
from xoxo_async.bulk.intake.order_lines import OrderLine
from xoxo_async.bulk.intake.problems import Problems
from xoxo_async.bulk.intake.rows import Row, check_fields, make_row
from xoxo_async.bulk.ledger.facts import BOUNDS
from xoxo_async.bulk.ledger.kinds import JobKind, require_kind
from xoxo_async.bulk.ledger.lines import Delivery, LedgerLine, LineState, PlannedLine
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.ledger.vouchers import StoredCode, codes_of
from xoxo_async.bulk.planning.catalog import PlanCatalog, check_product
from xoxo_async.bulk.planning.planner import planned_line
from xoxo_async.bulk.prices import Prices
from xoxo_async.bulk.running.line_lookup import LineLookUp
from xoxo_async.bulk.running.progress import Progress
from xoxo_async.bulk.running.recorder import Recorder
from xoxo_async.bulk.running.single import SingleLine
from xoxo_async.bulk.running.stopping import StopSignal
from xoxo_async.bulk.settings import Bounds, kept_bounds, rate_of
from xoxo_async.bulk.settled import SettledLine
from xoxo_async.bulk.trust import Trust
from xoxo_async.config import check_number
from xoxo_async.errors import ArgumentError, BudgetError, ConfigError, LedgerError, XoxoError
from xoxo_async.services import checks
from xoxo_async.verdicts import Verdict, verdict_of

__all__ = ["Once"]

_DOUBTED: Final = frozenset({LineState.UNKNOWN, LineState.CONFLICT})
_FINAL: Final = frozenset({LineState.PLACED, LineState.REJECTED, LineState.CANCELLED})


class _Begun(NamedTuple):
    """What is found out once, before the first message."""

    job: str
    budget: Decimal | None
    catalog: PlanCatalog | None
    recorder: Recorder
    single: SingleLine


class Once:
    """Issue single orders, each exactly once: for a queue that delivers a message at least once. Moves money.

    The ledger is the memory that the queue lacks. A new key is added to it already armed, in one transaction; then its
    order is sent, and the result is recorded. A message that comes again gets the stored outcome without a call, is
    sent if the order was given back, or is looked up while it is in doubt.

    One object serves all tasks of a worker. With a `SqliteLedger` one process works; messages that come at once share
    transactions. With a ledger that many processes share, all of them may be handed the same message.

    Args:
        client: An `XoxoClient`: sends and looks up. Its rate limits pace the orders, its hooks receive the events of
            lines.
        ledger: The job's ledger, open.
        job: The job's name; poNumbers are derived from it and the keys. Default: the ledger's job.
        max_spend: What the job may cost, in the account's currency. What an order may cost at most is reserved when it
            is armed. A message that does not fit raises `BudgetError`, and nothing of it is stored.
        settle_s: Seconds after a lost answer before "no such order" counts. Default: 150.
        resend: `settled` (the default) sends an order again once it is proven absent; `never` leaves it to a person.
        check: Whether a message is compared with the catalog before anything is sent: one getVouchers call for each
            product that is new to this object. With `max_spend` it always is.
        await_codes: Whether a message is done only when the codes of its order have come. Pass False if the vendor
            sends them to the receiver.
        wait_s: How many seconds a message waits for a rate slot. One that would wait longer raises `RateLimitedError`.
        restore: Whether the ledger replaces a lost one, or is an older copy of one: then each order is looked up before
            it is sent. Without it, a ledger that is a copy is refused, until a worker or run has opened it that may.
            Keep it, in all workers, while a message may come again whose order the ledger lacks.
        address: The address that the ledger stores, instead of the client's base URL.
        clock: A monotonic clock, in seconds.
        wall: The clock that absence is counted on. Default: the ledger's.

    Raises:
        ConfigError: A setting makes no sense.

    Example:
        ```python
        from decimal import Decimal

        async with SqliteLedger("messages.db") as ledger:
            once = Once(xoxo, ledger, job="messages")
            settled = await once.issue(OrderLine(key="m-1", product_id=1001, denomination=Decimal(500)))
            print(settled.state, settled.verdict.action)
        ```
    """

    def __init__(
        self,
        client: BulkClient,
        ledger: Ledger,
        *,
        job: str = "",
        max_spend: Decimal | None = None,
        settle_s: float | None = None,
        resend: Literal["settled", "never"] | None = None,
        check: bool = False,
        await_codes: bool = True,
        wait_s: float = 60.0,
        restore: bool = False,
        address: str = "",
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._own_bounds: Final = Bounds(max_spend=max_spend, settle_s=settle_s, resend=resend)
        self._client: Final = client
        self._ledger: Final = ledger
        self._job: Final = job
        self._check: Final = check
        self._await_codes: Final = await_codes
        self._wait_s: Final = check_number("wait_s", wait_s, zero=True)
        self._restore: Final = restore
        self._identity: Final = identity_of(client, address)
        self._clock: Final = clock
        self._wall: Final = wall or ledger.now
        self._stop: Final = StopSignal()
        self._fetcher: Final = CodeFetcher(ledger, lambda: nullcontext(client), address=address)
        self._beginning: Final = anyio.Lock()
        self._loading: Final = anyio.Lock()
        self._begun: _Begun | None = None
        self._keys: Final[dict[str, _Turn]] = {}
        self._at_work = 0
        self._telling: Final = ExitStack()

    async def issue(self, line: OrderLine) -> SettledLine:
        """Issue the order of one message, or return what became of it. Moves money, once for each key.

        At most one placeOrder call. A look-up is made for an order in doubt, and for one whose codes are to come or not
        kept. One call may make several: one proves that the order is absent, so it is sent again, and where that answer
        is lost, too, another one asks for it. Cancelling the call is safe: what was sent is recorded as a doubt, and
        the next delivery looks it up.

        Args:
            line: The order; its `key` is the message's id, the same for every delivery.

        Returns:
            The outcome: placed, refused for certain, withdrawn, or left to a person.

        Raises:
            ArgumentError: A field of the line is wrong; nothing was sent or stored.
            LedgerConflictError: The key or poNumber is in the ledger with other contents; nothing was sent.
            LineBusyError: Another worker is sending it, or nobody knows yet; ask again after `retry_after_s`.
            BudgetError: It may cost more than is left of the budget; nothing was sent.
            LedgerError: The ledger fails; nothing is sent without a durable intent.
            ConfigError: The ledger is of another account, address or job, or a copy; nothing was sent.
            RateLimitedError: No slot within `wait_s`, or a penalty; nothing was processed.
            XoxoError: Nothing was processed; or the funds are too low (`InsufficientFundsError`), and the order is in
                doubt.
        """
        begun = await self._begin()
        planned = await self._planned(begun, line)
        async with self._alone(planned.key):
            with self._told_of_doubts(begun):
                try:
                    settled = await self._outcome(begun, planned)
                except BaseException:
                    with anyio.CancelScope(shield=True), suppress(LedgerError):
                        await begun.recorder.write_doubts()
                    raise
                if await begun.recorder.write_doubts():
                    # This order may be one of those that a connection out of step had named.
                    settled = await self._outcome(begun, planned)
        return await self._with_codes(settled)

    async def handle(
        self,
        line: OrderLine,
        deliver: Callable[[SettledLine], Awaitable[object]] | None = None,
        *,
        attempts: int = 1,
    ) -> Verdict:
        """Issue the order of one message, hand its outcome over, and return what to do with the message. Moves money.

        Args:
            line: As for `issue`.
            deliver: Awaited with an outcome that is done. It may be called again for a message that comes again, so it
                must be safe to repeat. An error that it raises passes through: do not acknowledge the message then.
            attempts: How often the queue has delivered the message.

        Returns:
            The verdict: acknowledge, deliver again later, or put aside for a person.
        """
        try:
            settled = await self.issue(line)
        except XoxoError as error:
            return verdict_of(error, attempts=attempts)
        if settled.verdict.action == "done" and deliver is not None:
            await deliver(settled)
        return settled.verdict

    # Once, before the first message.

    async def _begin(self) -> _Begun:
        if self._begun is None:
            async with self._beginning:
                if self._begun is None:
                    self._begun = await self._find_out()
        return self._begun

    async def _find_out(self) -> _Begun:
        client, ledger = self._client, self._ledger
        job = self._job or ledger.job
        if not job:
            raise ConfigError("the ledger is new and needs a job name: poNumbers are derived from it")
        checks.needed("job", job)
        require_kind(ledger, JobKind.ORDERS)
        await ledger.require_key()
        if ledger.job not in {None, job}:
            raise ConfigError(f"this ledger holds the job {ledger.job!r}, not {job!r}; nothing was sent")
        await check_identity(client, ledger, self._identity)
        await ledger.recover()
        if ledger.copied and not self._restore:
            raise ConfigError(
                "this ledger is an older or another copy of one, so its orders may have been sent; nothing was sent."
                " If it replaces that one, say so with restore=True"
            )
        await Trust(ledger, restore=self._restore).doubt_planned_rows()
        kept = await kept_bounds(ledger)
        bounds = self._own_bounds.over(kept)
        prices = await Prices.read(
            client, ledger, check=self._check or bounds.max_spend is not None, max_spend=bounds.max_spend
        )
        await prices.keep_currency()
        bounds = msgspec.structs.replace(bounds, rate=rate_of(client))
        if bounds != kept:
            await ledger.set_fact(BOUNDS, bounds.to_json())
        budget = None if bounds.max_spend is None else Decimal(bounds.max_spend)
        recorder = Recorder(ledger, self._stop, budget=budget, hooks=client.hooks)
        recorder.currency = prices.currency
        rules = bounds.rules(restore=self._restore)
        look_up = LineLookUp(client, ledger, rules, Progress(), self._wall)
        single = SingleLine(client, ledger, recorder, look_up, rules, self._wall)
        return _Begun(job, budget, prices.catalog, recorder, single)

    # One message.

    async def _planned(self, begun: _Begun, line: OrderLine) -> PlannedLine:
        """Check a line, and return it as the ledger stores it."""
        if not isinstance(line, OrderLine):
            raise ArgumentError(f"a message's order must be an OrderLine, not {type(line).__name__}")
        problems = Problems()
        fields = check_fields(1, msgspec.structs.asdict(line), problems)
        worth = None
        if fields is not None:
            row = make_row(0, line, fields, begun.job)  # the ledger numbers it
            if begun.catalog is None:
                return planned_line(row, None)
            worth = await self._worth(begun.catalog, row, problems)
            if not problems.total:
                return planned_line(row, worth)
        told = "; ".join(problem.split(", ", 1)[-1] for problem in problems.shown())
        raise ArgumentError(f"the order of {checks.shown(line.key)} is wrong, nothing was sent: {told}")

    async def _worth(self, catalog: PlanCatalog, row: Row, problems: Problems) -> Decimal | None:
        """Compare a row with its product; return what it may cost at most."""
        async with self._loading:  # once for all messages that wait for the product
            await catalog.load([row])
        order = row.order
        product = catalog.get(order.product_id)
        check_product(msgspec.structs.replace(row, number=1), product, problems)
        return catalog.at_most(order.product_id, order.denomination, order.quantity)

    async def _outcome(self, begun: _Begun, planned: PlannedLine) -> LedgerLine:
        """Bring a line to its outcome."""
        single = begun.single
        while True:
            line = await self._taken(begun, planned)
            if line.state in _DOUBTED:
                line = await single.settle(line)
            if line.state is LineState.SENDING:  # also where another worker has sent it again meanwhile
                raise single.in_flight(line)
            if line.state is LineState.PLACED and line.delivery is Delivery.PENDING:
                return await single.refresh(line)
            if line.state is not LineState.PLANNED:
                return line

    async def _taken(self, begun: _Begun, planned: PlannedLine) -> LedgerLine:
        """Arm and send a line if it is to be sent; return it as it stands."""
        # A message that comes again must not wait for a slot, nor use one. Where slots cost something, the ledger is
        # read first; otherwise that would be one more step for each new message.
        sends = True
        if self._stop.pause or not begun.single.is_free:
            known = await self._ledger.find(planned.key, with_codes=True)
            if known is not None and known.state in _FINAL and known.digest == planned.digest and known.lines == 1:
                return known
            sends = known is None or known.state is LineState.PLANNED
        if sends and self._stop.pause:
            raise BudgetError(f"{self._stop.reason}; nothing was sent")
        if sends:
            await begun.single.slot(self._clock() + self._wait_s)
        armed = await self._ledger.arm(begun.job, planned, identity=self._identity, budget=begun.budget)
        if armed.mine and not sends:  # it became free meanwhile
            await begun.single.give_back(armed.line)
            return msgspec.structs.replace(armed.line, state=LineState.PLANNED)
        return await begun.single.send(armed.line, look_first=self._restore) if armed.mine else armed.line

    async def _with_codes(self, line: LedgerLine) -> SettledLine:
        """Return the outcome of a line, with its codes where they have come."""
        codes: tuple[StoredCode, ...] = ()
        refused = ""
        if line.state is LineState.PLACED and line.delivery is Delivery.DELIVERED:
            kept = line.codes
            if kept is None and self._ledger.keeps_codes:
                stored = await self._ledger.find(line.key, with_codes=True)
                kept = stored.codes if stored is not None else None
            codes = codes_of(kept)
            # A ledger that keeps codes may have kept none when this order was delivered.
            if not codes and (line.held or not self._ledger.keeps_codes):
                fetched = await self._fetcher.fetch([line])
                codes, refused = fetched.codes.get(line.seq, ()), fetched.refused.get(line.seq, "")
        return SettledLine.of(line, codes, await_codes=self._await_codes, refused=refused)

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncGenerator[None]:
        """Let the tasks of this process work on one key in turn: the second one finds what the first one did."""
        turn = self._keys.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._keys[key]

    @contextmanager
    def _told_of_doubts(self, begun: _Begun) -> Generator[None]:
        """Have the recorder told of orders that come into doubt with their connection, while any message is at work."""
        if not self._at_work:
            self._telling.enter_context(self._client.dispatcher.telling_doubts(begun.recorder.add_doubt))
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._telling.close()


class _Turn:
    """The turns of one key, and how many tasks wait for one."""

    __slots__ = ("lock", "waiting")

    def __init__(self) -> None:
        self.lock: Final = anyio.Lock()
        self.waiting = 0
