"""Gather the findings of a proof: all are counted, and the first thousand of each kind are kept. No I/O."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from xoxo_async.bulk.ledger.commands import command_for
from xoxo_async.bulk.ledger.lines import LineState
from xoxo_async.bulk.ledger.protocol import Ledger
from xoxo_async.bulk.proving.facts import Case, LineFacts, Scope
from xoxo_async.bulk.proving.result import KINDS, MOST_FINDINGS, Finding, FindingKind, Proof, ProofSums

__all__ = ["ZONE_NOTE", "Findings", "alarms_to_see", "stamp"]

ZONE_NOTE: Final = "the vendor's dates have no time zone, so the days are those of the vendor's unknown one"
"""What every result says of its days."""


def stamp(seconds: float) -> str:
    """Return a moment as a result has it: in UTC, to the second.

    Args:
        seconds: The moment, in epoch seconds.
    """
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def alarms_to_see(ledger: Ledger, alarms: int) -> str:
    """Return why the alarms of a ledger stand against a proof, and the command that names them.

    Args:
        ledger: The ledger.
        alarms: How many it has.
    """
    number, them = ("1 alarm", "it") if alarms == 1 else (f"{alarms:,} alarms", "them")
    return f"the ledger has {number} that a person must see: `{command_for(ledger, 'xoxo bulk status')}` names {them}"


class Findings:
    """The findings of a proof: all are counted, and the first thousand of a kind are kept."""

    def __init__(self) -> None:
        self.found: Final[dict[str, int]] = dict.fromkeys(KINDS, 0)
        self.lists: Final[dict[FindingKind, list[Finding]]] = {kind: [] for kind in KINDS}
        self.orders: int = 0
        self.placed: int = 0
        self.agree: int = 0
        self.differ: int = 0
        self.undecided: int = 0
        self.unlisted_orders: int = 0
        self.unlisted: Decimal = Decimal(0)

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        for finding in findings:
            self.found[finding.kind] += 1
            if len(self.lists[finding.kind]) < MOST_FINDINGS:
                self.lists[finding.kind].append(finding)

    def add_case(self, case: Case, findings: list[Finding]) -> None:
        """Add the findings about one poNumber, and count its line."""
        self.add(findings)
        line = case.line
        if line is None and any(finding.kind == "unlisted" for finding in findings):
            self.unlisted_orders += len(case.orders)
            self.unlisted += sum((order.charged or Decimal(0) for order in case.orders), Decimal(0))
        if line is not None and line.lines:
            self.count(line, findings)

    def count(self, line: LineFacts, findings: list[Finding]) -> None:
        """Count a line of the ledger by what was found about it."""
        self.orders += 1
        self.placed += line.state == LineState.PLACED
        if not findings:
            self.agree += 1
        elif all(finding.kind == "unknown" for finding in findings):
            self.undecided += 1
        else:
            self.differ += 1

    def apart(self, sums: ProofSums) -> ProofSums:
        """Return sums in which orders of this job that the ledger lacks do not count as another job's."""
        return msgspec.structs.replace(
            sums,
            unlisted=self.unlisted,
            other_orders=sums.other_orders - self.unlisted_orders,
            other=sums.other - self.unlisted,
        )

    def unknown(self, why: str) -> None:
        """Add something that cannot be known about the whole job."""
        self.add((Finding(kind="unknown", why=why),))

    def proof(
        self,
        scope: Scope,
        ledger: str,
        address: str,
        *,
        kind: str,
        thorough: bool,
        sums: ProofSums,
        notes: Sequence[str],
        calls: dict[str, int],
        ended_at: float,
    ) -> Proof:
        """Return the result of the proof.

        Args:
            scope: What was read.
            ledger: The ledger's name.
            address: The server's address, as the ledger names it.
            kind: What the job is of.
            thorough: Whether each order was looked up.
            sums: The money.
            notes: What a reader has to know.
            calls: The calls that were made, by operation.
            ended_at: When it ended, in epoch seconds.
        """
        lists: dict[str, Any] = {name: tuple(found) for name, found in self.lists.items()}
        return Proof(
            ok=not any(self.found.values()),
            job=scope.job,
            ledger=ledger,
            address=address,
            since=scope.first.isoformat(),
            until=scope.last.isoformat(),
            began_at=stamp(scope.now),
            ended_at=stamp(ended_at),
            kind=kind,
            thorough=thorough,
            orders=self.orders,
            placed=self.placed,
            agree=self.agree,
            differ=self.differ,
            undecided=self.undecided,
            found=self.found,
            **lists,
            sums=sums,
            notes=tuple(notes),
            calls=calls,
        )
