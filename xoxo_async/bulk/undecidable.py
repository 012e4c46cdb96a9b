"""Why a person's decision does not fit a line: what the line is, and which words apply to it."""

from typing import Final

from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.protocol import Ledger

__all__ = ["undecidable"]

_BY_PERSONS: Final = frozenset({Evidence.PERSON_PLACED, Evidence.PERSON_CORRECTED, Evidence.LATE_PROOF})


def undecidable(line: LedgerLine, ledger: Ledger) -> str:
    """Return in words what a line is about which no person decides so, and what there is to do about it.

    Args:
        line: The line.
        ledger: Its ledger.
    """
    return f"{line.key} is {_what(line, ledger)}"


def _what(line: LedgerLine, ledger: Ledger) -> str:
    kind = ledger.kind or JobKind.ORDERS
    match line.state:
        case LineState.PLANNED:
            withdraw = command_for(ledger, "xoxo bulk withdraw", "--reason", "not wanted", keys=(line.key,))
            return (
                f"planned: `{command_for(ledger, kind.command)}` sends it; if it was never sent, `{withdraw}` ends it"
            )
        case LineState.SENDING:
            return "under way: the run that sends it records what becomes of it"
        case LineState.REJECTED:
            return "rejected for good: a row with another key sends it anew"
        case LineState.CANCELLED:
            return "withdrawn, and never sent"
        case LineState.UNKNOWN | LineState.CONFLICT:
            # A look-up may still settle it. A person who decides earlier may buy the voucher twice.
            first = command_for(ledger, "xoxo bulk reconcile")
            return f"{line.state.value}, so no person can decide about it yet: run `{first}` first"
        case LineState.PLACED:
            return _placed_order(line, ledger) if kind is JobKind.ORDERS else _done(line, ledger, kind)
        case LineState.MANUAL:
            status = command_for(ledger, "xoxo bulk status")
            return f"left to a person, and another process has just changed it: see `{status}`"


def _placed_order(line: LedgerLine, ledger: Ledger) -> str:
    order = f"placed, so no person can decide about it: it is order {line.order_id}"
    if line.delivery is Delivery.CANCELLED:
        return f"{order}, and the vendor cancelled its delivery. Ask the vendor about it"
    if line.delivery is Delivery.DELIVERED:
        return f"{order}, and its codes have come"
    return f"{order}, and its codes are still to come. `{command_for(ledger, 'xoxo bulk reconcile')}` collects them"


def _done(line: LedgerLine, ledger: Ledger, kind: JobKind) -> str:
    """Return what a line without a key is that the vendor, or a person, called done."""
    key = (line.key,)
    if line.evidence == Evidence.PERSON_CLOSED:
        return "closed by a person already, and nothing of it is still to come"
    if line.held and line.evidence in _BY_PERSONS:
        return "done by a person's word, and links of a late answer are in the ledger, so it is not sent again"
    if line.evidence in _BY_PERSONS:
        return "done by a person's word already: --resend or --reject corrects it"
    if line.delivery is Delivery.PENDING:
        close = command_for(ledger, "xoxo bulk resolve", "--done", keys=key)
        return (
            "placed: its answer had fewer links than were asked for, so it is not sent again, and was not refused. Once"
            f" the others are handed out, or if there are no more, close it by `{close}`"
        )
    done = "placed, so no person can decide about it: the vendor's answer says that it is done"
    if kind is not JobKind.POINTS:
        return done
    if line.order_id is None:
        name = command_for(ledger, "xoxo bulk resolve", "--placed", "ID", keys=key)
        return f"{done}, without an id. If the dashboard shows ID, record it by `{name}`"
    cancel = command_for(ledger, "xoxo points cancel", "--reason", "not wanted", keys=key)
    return f"{done}. `{cancel}` takes the points back"
