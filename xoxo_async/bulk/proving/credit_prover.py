"""Prove a job of points, links or mails: its rows against the payment report, the only list that may name them."""

import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from anyio.lowlevel import checkpoint

from xoxo_async.bulk.ledger.facts import CURRENCY
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.collecting import Tell, begin_scope, read_payments
from xoxo_async.bulk.proving.crediting import (
    CreditBooks,
    credit_cases,
    credits_charged,
    find_loose,
    named_by,
    paid_for,
    rate_and_step,
    read_credits,
)
from xoxo_async.bulk.proving.credits import CreditReport, Named, judge_credit, unproven_why
from xoxo_async.bulk.proving.days import Days, days_of
from xoxo_async.bulk.proving.facts import LineFacts, Scope
from xoxo_async.bulk.proving.gathering import ZONE_NOTE, Findings, alarms_to_see
from xoxo_async.bulk.proving.notebook import Notebook
from xoxo_async.bulk.proving.result import Finding, Proof, ProofSums
from xoxo_async.bulk.proving.summing import wallet_facts
from xoxo_async.bulk.proving.vendor import Vendor
from xoxo_async.bulk.proving.wallet import WalletFacts, judge_rows
from xoxo_async.errors import ConfigError

__all__ = ["CreditTerms", "prove_credits"]

_CHUNK: Final = 500
_NOT_COMPARED: Final = "not compared are the recipients: no row of the payment report names one"
_NEVER_GOT: Final = (
    "rows that were refused, withdrawn or not sent are not looked for: no row of the payment report could name them;"
    " but where one was in doubt, rows of the report that may be its own are named"
)
_NO_LOOKUP: Final = "nothing was looked up: no call finds what was sent without a key"


class CreditTerms(NamedTuple):
    """What a proof of a job without a key is asked for.

    Attributes:
        progress: The file that keeps what was read.
        address: The address that the ledger keeps.
        since: The first day; None is a day before the job.
        until: The last day; None is tomorrow.
        thorough: Whether look-ups were asked for; there are none.
    """

    progress: Path
    address: str
    since: date | None
    until: date | None
    thorough: bool


class _Compared(NamedTuple):
    """What a comparison gave.

    Attributes:
        named: How far the payment report names the job's rows.
        fits: How many of those the rate of `sums` fits.
        rounded: Whether the payment report has lost the fractions of its amounts.
        sums: The money.
    """

    named: Named
    fits: int
    rounded: bool
    sums: ProofSums


async def prove_credits(
    client: Vendor,
    ledger: Ledger,
    kind: JobKind,
    terms: CreditTerms,
    tell: Tell,
    each: Callable[[LineFacts, list[Finding]], None],
    clock: Callable[[], float],
) -> Proof:
    """Compare the ledger of a job of points, links or mails with the payment report. See `prove_job`.

    Args:
        client: Reads the payment report.
        ledger: The ledger, open, of the client's account.
        kind: What its job is of.
        terms: What is asked for.
        tell: Is told what is being read.
        each: Is called with each row and what was found about it.
        clock: The time, in seconds since the epoch.

    Raises:
        XoxoError: The ledger or a call failed. Call it again to go on.
    """
    about: list[object] = [ledger.job, terms.address, str(terms.since), str(terms.until), kind.value]
    with Notebook(terms.progress) as notes:
        at_work = any(holder.pid != os.getpid() for holder in await ledger.holders())
        books = await read_credits(ledger, notes, kind, tell)
        days = await _days_of(ledger, notes, terms, books, clock())
        scope = begin_scope(notes, ledger.job or "", about, days, clock, history=False)
        refused = await read_payments(client, notes, tell)
        gathered = Findings()
        compared = await _compare(ledger, notes, scope, kind, books, refused, gathered, tell, each)
        if days.cut:
            gathered.unknown(
                f"the days are cut: the job may have rows {days.cut}, and what the payment report has of them was not"
                " read"
            )
        if alarms := (await ledger.counts()).alarms_total:
            gathered.unknown(alarms_to_see(ledger, alarms))
        told = _told(kind, compared, books, days, thorough=terms.thorough, at_work=at_work)
        proof = gathered.proof(
            scope,
            ledger.name,
            ledger.identity.address if ledger.identity is not None else "",
            kind=kind.value,
            thorough=False,
            sums=compared.sums,
            notes=told,
            calls=notes.calls(),
            ended_at=clock(),
        )
        notes.remove()
        return proof


async def _days_of(ledger: Ledger, notes: Notebook, terms: CreditTerms, books: CreditBooks, now: float) -> Days:
    """Return the days to read. Where they are wrong, a file without anything to go on with does not stay."""
    try:
        return await days_of(ledger, terms.since, terms.until, now, changed_at=books.cancelled_at)
    except ConfigError:
        if not notes.fact("terms"):
            notes.remove()
        raise


async def _compare(
    ledger: Ledger,
    notes: Notebook,
    scope: Scope,
    kind: JobKind,
    books: CreditBooks,
    refused: str,
    gathered: Findings,
    tell: Tell,
    each: Callable[[LineFacts, list[Finding]], None],
) -> _Compared:
    """Compare every row with the report, gather what was found, and return the sums."""
    wallet = wallet_facts(notes, scope, refused=refused)
    named = named_by(notes, kind, scope)
    rate, fits, step = rate_and_step(notes, kind)
    why = unproven_why(kind, named, wallet.rows)
    if refused:
        why = f"the payment report cannot be read, so nothing is compared with it: {refused}"
    unproven = Finding(kind="unknown", why=why)
    report = CreditReport(
        kind=kind,
        scope=scope,
        names=not why,
        hints=not why or not (refused or named.placed),
        unproven=unproven,
        rate=rate,
        step=step,
        loose=find_loose(notes, scope, step, restored=books.restored),
        restored=books.restored,
    )
    if refused or (why and named.placed):
        gathered.add((unproven,))
    borne_out = Decimal(0)
    for number, case in enumerate(credit_cases(notes, kind), 1):
        findings = judge_credit(case, report)
        gathered.add(found for found in findings if found is not unproven)
        gathered.count(case.line, findings)
        each(case.line, findings)
        if not findings and case.line.state == LineState.PLACED:
            borne_out += case.line.charged or Decimal(0)
        if number % _CHUNK == 0:
            tell("comparing", number)
            await checkpoint()  # Ctrl-C ends a long comparison too
    if not refused:
        # Where amounts have lost their fractions, balances do not follow from one another.
        gathered.add(judge_rows(wallet._replace(rounded=int(step == 1))))
    sums = _sums(notes, kind, wallet, named, await ledger.get_fact(CURRENCY) or "", borne_out)
    return _Compared(named, fits, step == 1, msgspec.structs.replace(sums, rate=rate if named.found else None))


def _sums(
    notes: Notebook, kind: JobKind, wallet: WalletFacts, named: Named, currency: str, borne_out: Decimal
) -> ProofSums:
    """Return the money of a result."""
    paid, back = paid_for(notes, kind)
    chained = [count for _balance, count in wallet.ends] in ([1, -1], [-1, 1])
    ends = {count: balance for balance, count in wallet.ends} if chained else {}
    return ProofSums(
        currency=currency,
        ledger=credits_charged(notes),
        vendor=borne_out,
        paid=paid if named.found else None,
        refunded=back,
        added=wallet.added,
        other_orders=named.loose,
        other=named.loose_sum,
        opening=ends.get(-1),
        closing=ends.get(1),
    )


def _told(
    kind: JobKind, compared: _Compared, books: CreditBooks, days: Days, *, thorough: bool, at_work: bool
) -> list[str]:
    """Return what a reader has to know about the result."""
    told = [ZONE_NOTE]
    named = compared.named
    if compared.sums.rate is not None:
        unit = "a point" if kind is JobKind.POINTS else f"links worth {compared.sums.currency} 1"
        what = "credits" if kind is JobKind.POINTS else "batches"
        told.append(
            f"the payment report took {compared.sums.rate.normalize():f} for {unit}, by {compared.fits:,} of the"
            f" {named.found:,} {what} that it names; whether that is the price, your contract says"
        )
    told += [_NOT_COMPARED, _NEVER_GOT]
    if named.loose and named.found:
        what = "points" if kind is JobKind.POINTS else "links"
        told.append(
            f"the payment report has {named.loose:,} more {'row' if named.loose == 1 else 'rows'} of {what}, for"
            " nothing that this job knows: for other jobs, the dashboard, or rows in doubt"
        )
    if compared.rounded:
        told.append(
            "the payment report has whole amounts only, and at that price some have a fraction: so amounts are compared"
            " to the unit, and its balances are not checked"
        )
    if books.restored:
        told.append(
            "this ledger replaces another one, or is a copy: what the other one sent is only seen from"
            f" {days.first} on; `--since` reads earlier days"
        )
    if days.ends_early:
        told.append(f"rows of the payment report after {days.last} were not read")
    if thorough:
        told.append(_NO_LOOKUP)
    if at_work:
        told.append("the job was at work meanwhile: rows that were sent after the reading may be unknown here")
    return told
