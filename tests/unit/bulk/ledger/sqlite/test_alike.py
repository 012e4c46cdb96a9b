"""Orders that are alike: what one pass in SQL counts is what the lines say, in whatever form requests are kept."""

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.bulk.ledger.ledgers import each
from tests.unit.bulk.ledger.wishes import proof, wish
from xoxo_async.bulk.ledger.lines import LedgerLine, LineState
from xoxo_async.bulk.ledger.overview import Overview
from xoxo_async.bulk.ledger.sqlite import alike, shapes
from xoxo_async.bulk.ledger.sqlite.ledger import SqliteLedger

pytestmark = pytest.mark.anyio

EMAILS = [None, "Ann@One.example", "bob@two.example", '"q.x"@three.example', "ü@four.example"]
CONTACTS = [None, "+919876543210"]
TAGS = [
    None,
    "march",
    'a "quoted" one',
    "back\\slash",
    '"email":"no@where.example"',
    'x","tag":"y',
    "mail@tag.example",
    "é",
]


def orders(dice: random.Random, number: int) -> dict[str, Any]:
    """Return the fields of a random order."""
    email = dice.choice(EMAILS)
    fields = {
        "product_id": dice.choice([1001, 1002]),
        "denomination": dice.choice(["100", "250.50"]),
        "quantity": dice.choice([1, 2]),
        "po_number": f"po-{number}",
        "email": email,
        "contact": dice.choice(CONTACTS),
        "tag": dice.choice(TAGS),
        "notify_receiver": bool(email) and dice.random() < 0.5,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def counted(path: Path, number: int = 200) -> tuple[Overview, list[LedgerLine]]:
    """Return the overview of a job of random orders, and its lines."""
    dice = random.Random(3)
    async with SqliteLedger(path, job="march") as ledger:
        await ledger.plan("march", each([wish(row, **orders(dice, row)) for row in range(1, number + 1)]))
        claimed = await ledger.claim(number // 2)
        await ledger.record([proof(line, dice.choice(["99.50", "100"])) for line in claimed if dice.random() < 0.8])
        return await ledger.overview(), [line async for line in ledger.lines()]


def domain(line: LedgerLine) -> tuple[str, str]:
    """Return the kind of a line's receiver, and the domain of the address."""
    request = msgspec.json.decode(line.body)
    if "email" in request:
        return "email", request["email"].partition("@")[2].partition('"')[0].lower()
    return "phone" if "contact" in request else "none", ""


@pytest.mark.parametrize("most", [0, 5, 1000])
async def test_a_pass_counts_what_the_lines_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Whether all requests are kept whole, some, or none: groups, receivers and tags are the same."""
    monkeypatch.setattr(shapes, "_MOST", most)
    overview, lines = await counted(tmp_path / "march.db")
    requests = {line.seq: msgspec.json.decode(line.body) for line in lines}
    groups: Counter[object] = Counter()
    for line in lines:
        wanted = requests[line.seq]
        amount = Decimal(str(wanted["denomination"]))
        charged = line.amount_charged
        groups[wanted["productId"], amount, line.state, charged, wanted["quantity"]] += wanted["quantity"]
    found: Counter[object] = Counter()
    for one in overview.groups:
        found[one.product_id, one.denomination, one.state, one.charged, one.pieces // one.orders] += one.pieces
    assert found == groups
    placed = [line for line in lines if line.state is LineState.PLACED]
    plain = [line for line in placed if '\\"q.x' not in line.body]  # such an address has no domain that can be cut out
    mailed = Counter((*domain(line), requests[line.seq]["notifyReceiverEmail"] == 1) for line in plain)
    assert {(one.kind, one.domain, one.mailed): one.lines for one in overview.receivers}.items() >= mailed.items()
    [tags] = overview.labels
    by_tag = Counter((requests[line.seq].get("tag", ""), line.state, line.amount_charged) for line in lines)
    assert Counter({(one.value, one.state, one.charged): one.lines for one in tags.groups}) == by_tag
    assert tags.values == len(TAGS)


async def test_too_many_tags_are_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample says so, and the pass does not keep a row for each of them in memory."""
    monkeypatch.setattr("xoxo_async.bulk.ledger.sqlite.overview.LABELS_SHOWN", 3)
    seen: list[bool] = []
    count = alike.count_alike
    monkeypatch.setattr(
        "xoxo_async.bulk.ledger.sqlite.overview.count_alike",
        lambda connection, *, tags: (seen.append(tags), count(connection, tags=tags)),
    )
    overview, _ = await counted(tmp_path / "march.db")
    assert seen == [False]
    assert [(label.name, label.values, label.groups) for label in overview.labels] == [("tag", len(TAGS), [])]
