"""Overviews of jobs as the tests of a report want them."""

from decimal import Decimal
from typing import Any

import msgspec

from xoxo_async.bulk.ledger.lines import Alarm, Counts, Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import (
    Beat,
    Label,
    LabelGroup,
    LineGroup,
    Overview,
    PauseMark,
    Penalty,
    ProductNote,
    Receivers,
    Refused,
    RunNote,
)
from xoxo_async.bulk.reporting.facts import Context, Facts, facts_of

BEGAN = 1_800_000_000.0

SHOP = ProductNote("Shop & <Sons>", "INR", Decimal(1), Decimal(2), Decimal(5))
CARD = ProductNote("Card", "USD", Decimal(80), Decimal(0), Decimal(0))


def group(**other: Any) -> LineGroup:
    """Return one placed order of 100 that cost 97, unless told otherwise."""
    facts: dict[str, Any] = {
        "product_id": 1,
        "denomination": Decimal(100),
        "state": LineState.PLACED,
        "delivery": Delivery.DELIVERED,
        "evidence": "answered_placed",
        "error_id": "",
        "currency": "INR",
        "charged": Decimal(97),
        "worth": 1_020_000,
        "single": True,
        "orders": 1,
        "lines": 1,
        "pieces": 1,
    }
    return LineGroup(**(facts | other))


def line(row: int, **other: Any) -> LedgerLine:
    """Return an order in doubt that was sent a minute after the job began."""
    facts: dict[str, Any] = {
        "seq": row,
        "key": f"K{row}",
        "po_number": f"po-{row}",
        "digest": "",
        "body": '{"email":"secret@example.com"}',
        "row": row,
        "state": LineState.UNKNOWN,
        "attempts": 1,
        "first_sent_at": BEGAN + 60,
        "last_sent_at": BEGAN + 60,
    }
    return LedgerLine(**(facts | other))


def overview(**other: Any) -> Overview:
    """Return a job with everything: ten rows, of which six are placed."""
    unsettled = {"charged": None, "currency": "", "delivery": Delivery.NONE}
    facts: dict[str, Any] = {
        "counts": Counts(
            rows=10,
            issued=5,
            pending=1,
            rejected=1,
            unknown=2,
            not_sent=1,
            states={LineState.PLACED: 6, LineState.MANUAL: 1, LineState.UNKNOWN: 1},
            charged={"INR": Decimal(985)},
            orders=10,
            alarms=(Alarm(key="K1", row=1, order_id=7, at=BEGAN, text="two rows of ann@example.com share an order"),),
            alarms_total=1,
        ),
        "groups": [
            group(orders=5, lines=5, pieces=5),
            group(product_id=2, denomination=Decimal("6.25"), delivery=Delivery.PENDING, charged=Decimal(500)),
            group(state=LineState.REJECTED, evidence="refused_no_order", error_id="PLE10018", **unsettled),
            group(state=LineState.MANUAL, evidence="history_absent", **unsettled),
            group(state=LineState.UNKNOWN, evidence="outcome_lost", **unsettled),
            group(state=LineState.PLANNED, evidence="", **unsettled),
        ],
        "receivers": [Receivers("email", "example.com", True, 5), Receivers("email", "ann.example", False, 1)],
        "domains": 2,
        "width_s": 60,
        "beats": [
            Beat(BEGAN, LineState.PLACED, 250, 4),
            Beat(BEGAN, LineState.REJECTED, None, 1),
            Beat(BEGAN + 120, LineState.PLACED, 4_100, 1),
            Beat(BEGAN + 120, LineState.UNKNOWN, None, 2),
        ],
        "refused": [
            Refused(LineState.REJECTED, "PLE10018", "DenominationError: the denomination is not offered (No)", 1, 4),
            Refused(LineState.UNKNOWN, "", "the answer was lost", 1, 5),
        ],
        "labels": [
            Label(
                "Team",
                2,
                [
                    LabelGroup("red", LineState.PLACED, "INR", Decimal(97), 5),
                    LabelGroup("blue", LineState.PLACED, "INR", Decimal(500), 1),
                    LabelGroup("blue", LineState.PLANNED, "", None, 1),
                ],
            )
        ],
        "pauses": [PauseMark(BEGAN + 70, True, "ann@example.com said so"), PauseMark(BEGAN + 100, False, "")],
        "open": [
            line(7, state=LineState.MANUAL, key="bob@example.com", error="ReplyLostError: the answer was lost"),
            line(8),
            line(9, state=LineState.PLACED, delivery=Delivery.PENDING, order_id=77),
        ],
    }
    return Overview(**(facts | other))


def context(**other: Any) -> Context:
    """Return what stands beside such a job, an hour later."""
    facts: dict[str, Any] = {
        "job": "march",
        "ledger": "march.db",
        "address": "https://one.example",
        "now": BEGAN + 3600,
        "planned_at": BEGAN - 60,
        "currency": "INR",
        "workers": 0,
        "paused": None,
        "products": {1: SHOP, 2: CARD},
        "notes": [
            RunNote("a", BEGAN, BEGAN + 180, 120.0, 6, "funds", (Penalty(BEGAN + 30, 20.0, "orders"),)),
            RunNote("b", BEGAN + 200),
        ],
        "follow": "xoxo bulk resume --ledger march.db",
        "proof": None,
    }
    return Context(**(facts | other))


def whole(**other: Any) -> Facts:
    """Return what a report says about such a job, changed in some facts."""
    return msgspec.structs.replace(facts_of(overview(), context()), **other)
