"""What a report of a job says, as plain values: the page, the JSON and the tests read the same facts; no I/O.

No fact holds a voucher code or a PIN, and e-mail addresses are masked. What the ledger does not know is None, and the
page says so.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Counts, LineState
from xoxo_async.bulk.ledger.overview import LineGroup, Overview, ProductNote, RunNote
from xoxo_async.bulk.reporting.costs import (
    Bill,
    LabelFact,
    ProductFact,
    ReceiverFact,
    bill_of,
    costs,
    labels_of,
    products_of,
    receivers_of,
)
from xoxo_async.bulk.reporting.course import Latency, RunFact, Timeline, latency_of, runs_of, timeline_of
from xoxo_async.bulk.reporting.doubts import (
    AlarmFact,
    EvidenceFact,
    OpenRow,
    OpenTotal,
    RefusalFact,
    alarms_of,
    evidence_of,
    open_rows_of,
    open_totals_of,
    refusals_of,
)
from xoxo_async.bulk.reporting.proof import ProofFact
from xoxo_async.bulk.reporting.words import KindWords, masked, words_of
from xoxo_async.effects import EffectClass

__all__ = ["Context", "Facts", "Headline", "Tone", "facts_of"]

Tone = Literal["good", "busy", "warn", "bad"]


class Headline(msgspec.Struct, frozen=True, kw_only=True):
    """The job in a few numbers; `issued + pending + rejected + unknown + not_sent == rows`.

    Attributes:
        tone: How urgent it is: `good` nothing is left, `busy` it is at work, `warn` rows are left, `bad` a person is
            needed.
        verdict: The state of the job in one sentence.
        rows: Order lines.
        issued: Lines whose codes have come.
        taken_back: Of these, the points that were cancelled later.
        pending: Placed lines whose codes are still to come.
        rejected: Lines that were refused for certain.
        unknown: Lines in flight, in doubt, or waiting for a person.
        not_sent: Lines that are planned or withdrawn.
        withdrawn: Of these, the withdrawn ones.
        orders: Orders that the lines travel in.
        pieces: Vouchers of placed orders; of points the credits that were not cancelled.
        charged: What placed orders cost, by currency.
        words: What the rows of such a job have.
        hands_out: Whether somebody hands out what the rows have got: the codes of orders.
    """

    tone: Tone
    verdict: str
    rows: int
    issued: int
    taken_back: int
    pending: int
    rejected: int
    unknown: int
    not_sent: int
    withdrawn: int
    orders: int
    pieces: int
    charged: dict[str, Decimal]
    words: KindWords
    hands_out: bool


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report says.

    Attributes:
        job: The job's name.
        ledger: The ledger's name, without its folder or password.
        address: The vendor's address; empty where it is not known.
        made_at: When the report was made, in epoch seconds.
        planned_at: When the job was planned first.
        follow: The command that goes on; empty if nothing is left that a command can do.
        headline: The job in a few numbers.
        receivers: To whom placed lines were promised.
        domains: How many domains of addresses there are.
        products: The products, the dearest first.
        labels: What groups the lines.
        timeline: Orders over time.
        latency: How long answers took; None if no order shows it.
        refusals: Refusals by reason.
        open_totals: How many orders stand open.
        open_rows: The first of them.
        bill: Plan against outcome; None while the account's currency is not known.
        evidence: How it was proven.
        proof: The result of `xoxo bulk prove`; None without one.
        runs: The latest runs, the last first.
        alarms: What a person must see; the first hundred.
        alarms_total: How many there are.
    """

    job: str
    ledger: str
    address: str
    made_at: float
    planned_at: float | None
    follow: str
    headline: Headline
    receivers: list[ReceiverFact]
    domains: int
    products: list[ProductFact]
    labels: list[LabelFact]
    timeline: Timeline
    latency: Latency | None
    refusals: list[RefusalFact]
    open_totals: list[OpenTotal]
    open_rows: list[OpenRow]
    bill: Bill | None
    evidence: list[EvidenceFact]
    proof: ProofFact | None
    runs: list[RunFact]
    alarms: list[AlarmFact]
    alarms_total: int


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a report needs beside the lines of its job.

    Attributes:
        job: The job's name.
        ledger: The ledger's name as the report shows it.
        address: The vendor's address; empty where it is not known.
        now: When the report is made, in epoch seconds.
        planned_at: When the job was planned first; None where it is not known.
        currency: The account's currency; empty where it is not known.
        workers: How many processes work on the job.
        paused: Why the job is paused; None if it is not.
        products: The products as the catalog had them.
        notes: The notes of runs.
        follow: The command that goes on.
        proof: The result of `xoxo bulk prove`.
        kind: What the job is of.
    """

    job: str
    ledger: str
    address: str
    now: float
    planned_at: float | None
    currency: str
    workers: int
    paused: str | None
    products: dict[int, ProductNote]
    notes: list[RunNote]
    follow: str
    proof: ProofFact | None
    kind: JobKind = JobKind.ORDERS


def facts_of(overview: Overview, context: Context) -> Facts:
    """Return what a report says.

    Args:
        overview: The job in groups.
        context: What stands beside it.
    """
    counts, groups = overview.counts, overview.groups
    placed = sum(group.orders for group in groups if group.state is LineState.PLACED)
    products = _products(groups, context)
    return Facts(
        job=masked(context.job),
        ledger=masked(context.ledger),
        address=context.address,
        made_at=context.now,
        planned_at=context.planned_at,
        follow=context.follow,
        headline=_headline(overview, context),
        receivers=receivers_of(overview.receivers),
        domains=overview.domains,
        products=products_of(groups, products),
        labels=labels_of(overview.labels),
        timeline=timeline_of(
            overview.width_s,
            overview.beats,
            context.notes,
            overview.pauses,
            context.now,
            at_work=bool(context.workers),
        ),
        latency=latency_of(overview.beats),
        refusals=refusals_of(overview.refused, context.kind),
        open_totals=open_totals_of(groups, context.kind),
        open_rows=open_rows_of(overview.open, context.now, context.kind),
        bill=bill_of(groups, products, context.currency) if context.currency else None,
        evidence=evidence_of(groups, context.kind),
        proof=None if context.proof is None else context.proof.beside_ledger(placed, words_of(context.kind).line),
        runs=runs_of(context.notes, at_work=bool(context.workers)),
        alarms=alarms_of(counts.alarms),
        alarms_total=counts.alarms_total,
    )


def _products(groups: list[LineGroup], context: Context) -> dict[int, ProductNote]:
    """Return what the lines ask for. What a link of a campaign is worth is not kept, but for what was charged."""
    if context.kind.effect is EffectClass.KEYED or context.kind is JobKind.POINTS:
        return context.products
    ids = {group.product_id for group in groups if group.product_id}
    return {one: ProductNote(f"Campaign {one}", "", None, Decimal(0), Decimal(0)) for one in ids} | context.products


def _headline(overview: Overview, context: Context) -> Headline:
    counts = overview.counts
    tone, verdict = _verdict(counts, context)
    return Headline(
        tone=tone,
        verdict=verdict,
        rows=counts.rows,
        issued=counts.issued,
        taken_back=counts.taken_back,
        pending=counts.pending,
        rejected=counts.rejected,
        unknown=counts.unknown,
        not_sent=counts.not_sent,
        withdrawn=counts.states.get(LineState.CANCELLED, 0),
        orders=counts.orders,
        pieces=sum(group.pieces for group in overview.groups if costs(group)),
        charged=dict(sorted(counts.charged.items())),
        words=words_of(context.kind),
        hands_out=context.kind is JobKind.ORDERS,
    )


def _verdict(counts: Counts, context: Context) -> tuple[Tone, str]:
    """Return how urgent the job is, and its state in one sentence."""
    manual = counts.states.get(LineState.MANUAL, 0)
    left = counts.not_sent - counts.states.get(LineState.CANCELLED, 0)
    workers, unknown, refused = context.workers, counts.unknown, counts.rejected
    orders = context.kind is JobKind.ORDERS
    doubted = 0 if orders else counts.cancels_in_doubt
    lacks_links = 0 if orders else counts.pending
    who = "A process is" if workers == 1 else f"{workers:,} processes are"
    found: tuple[tuple[object, Tone, str], ...] = (
        (
            counts.alarms_total,
            "bad",
            f"{_count(counts.alarms_total, 'alarm')}: a person must look at {_it(counts.alarms_total)} now.",
        ),
        (manual, "bad", f"{_count(manual, 'row')} {'needs' if manual == 1 else 'need'} the decision of a person."),
        (doubted, "bad", f"The cancellation of {_count(doubted, 'row')} is in doubt: a person must look."),
        (workers, "busy", f"{who} at work: {left + unknown:,} of {_count(counts.rows, 'row')} to go."),
        (context.paused is not None, "warn", f"The job is paused: {masked(context.paused or '')}."),
        (unknown, "warn", f"It is not known whether {_count(unknown, 'row')} {_were(unknown)} issued."),
        (left, "warn", f"{_count(left, 'row')} {_were(left)} not sent yet."),
        (not counts.rows, "warn", "Nothing was planned yet."),
        (refused, "warn", f"{_count(refused, 'row')} {_were(refused)} rejected; nothing else is left."),
        (
            orders and counts.pending,
            "warn",
            f"Every row is placed; the codes of {_count(counts.pending, 'row')} are to come.",
        ),
        (lacks_links, "warn", f"Not all links of {_count(lacks_links, 'row')} came, and no call gives the others."),
        (
            counts.taken_back,
            "good",
            f"Nothing is left; the points of {_count(counts.taken_back, 'row')} were cancelled.",
        ),
    )
    for holds, tone, verdict in found:
        if holds:
            return tone, verdict
    return "good", words_of(context.kind).all_issued


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _it(number: int) -> str:
    return "it" if number == 1 else "them"
