"""`undecidable`: a refusal says what the row is, and which words apply to it."""

from typing import Any

import pytest

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.undecidable import undecidable

CLOSE = "`xoxo bulk resolve --ledger 'my l.db' --done -- -k`"


class Ledger:
    """A ledger of a kind."""

    argument = "my l.db"

    def __init__(self, kind: JobKind | None) -> None:
        self.kind = kind


def said(kind: JobKind | None, state: LineState, **facts: Any) -> str:
    ledger: Any = Ledger(kind)
    text = undecidable(LedgerLine(1, "-k", "po", "d", "{}", 1, state=state, **facts), ledger)
    assert text.startswith("-k is ")
    return text


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        (JobKind.LINKS, {"delivery": Delivery.PENDING, "held": 1}, CLOSE),
        (JobKind.LINKS, {"delivery": Delivery.DELIVERED, "held": 2}, "the vendor's answer says that it is done"),
        (JobKind.LINKS, {"evidence": Evidence.PERSON_CLOSED.value}, "closed by a person already"),
        (JobKind.LINK_MAILS, {"evidence": Evidence.PERSON_PLACED.value}, "--resend or --reject corrects it"),
        (JobKind.LINKS, {"evidence": Evidence.PERSON_PLACED.value, "held": 1}, "so it is not sent again"),
        (JobKind.POINTS, {}, "record it by `xoxo bulk resolve --ledger 'my l.db' --placed ID -- -k`"),
        (JobKind.POINTS, {"order_id": 7}, "`xoxo points cancel --ledger 'my l.db' --reason 'not wanted' -- -k`"),
        (JobKind.ORDERS, {"order_id": 7, "delivery": Delivery.PENDING}, "`xoxo bulk reconcile --ledger 'my l.db'`"),
        (JobKind.ORDERS, {"order_id": 7, "delivery": Delivery.DELIVERED}, "order 7, and its codes have come"),
        (None, {"order_id": 7, "delivery": Delivery.CANCELLED}, "the vendor cancelled its delivery"),
    ],
)
def test_a_placed_row_says_why(kind: JobKind | None, facts: dict[str, Any], words: str) -> None:
    """What the vendor has done is never sent again, and was not refused."""
    assert words in said(kind, LineState.PLACED, **facts)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (LineState.PLANNED, "`xoxo links generate --ledger 'my l.db'` sends it"),
        (LineState.PLANNED, "`xoxo bulk withdraw --ledger 'my l.db' --reason 'not wanted' -- -k` ends it"),
        (LineState.SENDING, "under way"),
        (LineState.REJECTED, "a row with another key"),
        (LineState.CANCELLED, "withdrawn"),
        (LineState.UNKNOWN, "run `xoxo bulk reconcile --ledger 'my l.db'` first"),
        (LineState.MANUAL, "see `xoxo bulk status --ledger 'my l.db'`"),
    ],
)
def test_every_other_state_has_words(state: LineState, words: str) -> None:
    """They name what there is to do."""
    assert words in said(JobKind.LINKS, state)
