"""A person's decision about one line. An order id that a person names is looked up before it is recorded."""

import getpass
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.client import BulkClient
from xoxo_async.bulk.ledger.budget import amount
from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.running.evidence import described, mismatch
from xoxo_async.bulk.settings import kept_bounds
from xoxo_async.bulk.undecidable import undecidable
from xoxo_async.effects import EffectClass
from xoxo_async.errors import ConfigError, LedgerConflictError, NotFoundError
from xoxo_async.services.orders.replies import Order

__all__ = ["Decision", "Resolved", "decide_line"]

_DECIDED_BY_A_PERSON: Final = frozenset({Evidence.PERSON_PLACED, Evidence.PERSON_CORRECTED, Evidence.LATE_PROOF})
"""The facts by which a person placed a line. A person may change such a line again."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What a person decides about a line: placed under an order id, done, to be sent again, or (none) rejected.

    Attributes:
        placed: The order id that the line was placed under; for points the id of the credit.
        done: Whether the vendor's dashboard shows that the line was carried out, and no id is known: only for points,
            links and mails. Of a row of links whose answer had not what was asked for, it says that nothing is still to
            come: the others were handed out, or there are no more.
        resend: Whether no order of the line exists, and it is to be sent again under the same poNumber.
        reason: Why; kept in the journal, and as the line's `error` in place of the old one.
        unchecked: Whether `placed` is recorded without asking the vendor.
    """

    placed: int | None = None
    done: bool = False
    resend: bool = False
    reason: str = ""
    unchecked: bool = False

    def change(self, line: LedgerLine) -> Change:
        """Return the decision as a fact about a line.

        Args:
            line: The line.
        """
        if self.done and self.placed is None:
            reason = self.reason.strip() or f"decided by {_person()}"
            evidence = Evidence.PERSON_PLACED
            if line.state is LineState.PLACED and line.evidence not in _DECIDED_BY_A_PERSON:
                evidence = Evidence.PERSON_CLOSED
            return Change(
                seq=line.seq,
                evidence=evidence,
                epoch=line.epoch,
                delivery=Delivery.DELIVERED,
                reason=reason,
                error=reason,
            )
        unasked = "; the vendor was not asked" if self.placed is not None and self.unchecked else ""
        reason = (self.reason.strip() or f"decided by {_person()}") + unasked
        if self.placed is None:
            evidence = Evidence.PERSON_RESEND if self.resend else Evidence.PERSON_REJECTED
            return Change(seq=line.seq, evidence=evidence, epoch=line.epoch, reason=reason, error=reason)
        # An order id is proof in any state. The next resume fetches the codes.
        evidence = Evidence.PERSON_PLACED if line.state is LineState.MANUAL else Evidence.LATE_PROOF
        if line.state is LineState.PLACED and line.order_id not in {None, self.placed}:
            evidence = Evidence.PERSON_CORRECTED
        return Change(
            seq=line.seq,
            evidence=evidence,
            epoch=line.epoch,
            order_id=self.placed,
            delivery=Delivery.PENDING,
            reason=reason,
            error=reason,
        )


class Resolved(NamedTuple):
    """A line after a person's decision.

    Attributes:
        line: The line as it stands now.
        found: The order that the vendor has, in words; empty where the vendor was not asked.
    """

    line: LedgerLine
    found: str = ""


async def decide_line(client: BulkClient | None, ledger: Ledger, key: str, decision: Decision) -> Resolved:
    """Record a person's decision about the line of a key.

    Args:
        client: Looks the order up; None only where nothing has to be looked up.
        ledger: The ledger.
        key: The line's key.
        decision: What was decided.

    Returns:
        The line as it stands now, and what the vendor has.

    Raises:
        ConfigError: There is no such line, no person may decide about it now, or the order does not match it.
        XoxoError: The order cannot be looked up.
    """
    await ledger.recover()  # a line whose sender died becomes unknown
    line = await ledger.find(key)
    if line is None:
        raise ConfigError(f"{ledger.name} holds no line with the key {key!r}")
    if (ledger.kind or JobKind.ORDERS).effect is EffectClass.UNKEYED:
        return await _decide_unkeyed(ledger, line, decision)
    if decision.done:
        raise ConfigError("an order that was placed has an order id: name it")
    if decision.placed is None and line.state is not LineState.MANUAL and line.evidence not in _DECIDED_BY_A_PERSON:
        raise ConfigError(undecidable(line, ledger))
    found = ""
    if decision.placed is not None and not decision.unchecked and client is not None:
        order = await _look_up(client, line, decision.placed)
        found = described(order)
    try:
        (after,) = await ledger.record([decision.change(line)])
    except LedgerConflictError as error:
        raise ConfigError(f"{key} stays {line.state.value}: {error.message}") from error
    return Resolved(after, found)


async def _decide_unkeyed(ledger: Ledger, line: LedgerLine, decision: Decision) -> Resolved:
    """Record a decision about a line without a key: nobody but a person can settle it, and nothing is looked up."""
    if decision.placed is not None and ledger.kind is not JobKind.POINTS:
        raise ConfigError("links and mails have no id: say only that they are done (--done); nothing was recorded")
    rules = (await kept_bounds(ledger)).rules(restore=False)
    if line.state is LineState.UNKNOWN:
        words = "no call can tell what became of it"
        fact = Change(seq=line.seq, evidence=Evidence.NO_LOOKUP, epoch=line.epoch, error=line.error, reason=words)
        (line,) = await ledger.record([fact])
    succeeded = decision.done or decision.placed is not None
    if line.state is not LineState.MANUAL and not succeeded and line.evidence not in _DECIDED_BY_A_PERSON:
        raise ConfigError(undecidable(line, ledger))
    change = decision.change(line)
    if line.delivery is Delivery.CANCELLING and (not succeeded or change.evidence is Evidence.PERSON_CORRECTED):
        found = command_for(ledger, "xoxo points cancel", "--found", "cancelled", "--reason", "seen", keys=(line.key,))
        raise ConfigError(
            f"the cancellation of {line.key} (unique id {line.order_id}) is in doubt: record first what became of it,"
            f" by `{found}`, or with `kept` if the credit is there"
        )
    rest_s = (line.last_sent_tick or 0.0) + rules.settle_s - ledger.now()
    if not succeeded and line.last_sent_tick is not None and rest_s > 0:
        raise ConfigError(
            f"{line.key} was sent only now, and the vendor may still work on it: look again in {rest_s:.0f} s, before"
            " it is sent again or counted as refused"
        )
    if succeeded:
        worth = None if line.worth is None else amount(line.worth)
        currency = await ledger.get_fact(CURRENCY) or ""
        change = msgspec.structs.replace(
            change, delivery=Delivery.DELIVERED, amount_charged=worth, currency=currency if worth is not None else ""
        )
    try:
        (after,) = await ledger.record([change], rules=rules)
    except LedgerConflictError as error:
        if decision.placed is None:
            raise ConfigError(undecidable(await ledger.find(line.key) or line, ledger)) from error
        raise ConfigError(f"{line.key} stays {line.state.value}: {error.message}") from error
    return Resolved(after)


async def _look_up(client: BulkClient, line: LedgerLine, order_id: int) -> Order:
    try:
        order = await client.orders.get(order_id=order_id)
    except NotFoundError as error:
        raise ConfigError(f"the vendor has no order {order_id}; nothing was recorded") from error
    difference = mismatch(line, order, dated=False)
    if difference:
        raise ConfigError(
            f"order {order_id} is not this row's: {difference}. The vendor has: {described(order)}. Nothing was"
            " recorded; --unchecked records it without this check"
        )
    return order


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a person"
