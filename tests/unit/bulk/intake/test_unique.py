"""`unique`: rows that repeat an earlier one, and keys that a ledger holds in another spelling."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.bulk.intake.order_rows import JOB, line, numbers, rows
from xoxo_async import AirmilesDetails, TopUpDetails, errors
from xoxo_async.bulk import OrderLine, SqliteLedger, read_orders
from xoxo_async.bulk.intake.unique import FirstKeys, OtherSpellings
from xoxo_async.bulk.planning.planner import Planner

pytestmark = pytest.mark.anyio

ALIKE = {
    "the same row": (line("A"), line("A")),
    "another amount": (line("A"), line("A", denomination=Decimal(9))),
    "decomposed": (line("Mu\u0308ller"), line("M\u00fcller")),
    "no-break space": (line("EMP 1"), line("EMP\u00a01")),
    "two blanks": (line("EMP  1"), line("EMP 1")),
    "blanks around it": (line("EMP"), line(" EMP\u2003")),
    "zeros dropped": (line("00123"), line("123")),
    "case": (line("ab1"), line("AB1")),
}


@pytest.mark.parametrize("kind", ["list", "stream", "file"])
@pytest.mark.parametrize("pair", ALIKE.values(), ids=list(ALIKE))
async def test_a_repeated_key_names_both_rows(pair: tuple[OrderLine, OrderLine], kind: str, tmp_path: Path) -> None:
    """The second row is a problem that shows the first, whatever the source and the spelling."""
    given = [pair[0], line("other"), pair[1]]

    async def stream() -> AsyncIterator[OrderLine]:
        for one in given:
            yield one

    path = tmp_path / "orders.csv"
    path.write_text(
        "key,product_id,denomination\n" + "".join(f"{one.key},1001,{one.denomination}\n" for one in given), "utf-8"
    )
    taken = rows({"list": given, "stream": stream(), "file": read_orders(path)}[kind])
    head = kind == "file"
    assert await numbers(taken) == [1 + head, 2 + head]
    (problem,) = taken.problems.shown()
    assert problem.startswith(f"row {3 + head}, column key: ")
    same = pair[0].key == pair[1].key.strip()
    assert f" is in row {1 + head} already" in problem
    assert same or f", in the spelling {pair[0].key!a}; write it so if it is the same row" in problem or head


async def test_a_repeated_po_number_is_named() -> None:
    """The second row is a problem, although its key is another."""
    taken = rows([line("A", po_number="PO-1"), line("B", po_number="PO-1"), line("C")])
    assert await numbers(taken) == [1, 3]
    assert taken.problems.shown() == ("row 2, column po_number: PO-1 is in row 1 already",)


MEMBER = AirmilesDetails(loyalty_member_id="M1")
TWICE = {
    "e-mail": ({"email": "a@example.com"}, {"email": "A@Example.com"}),
    "a domain": ({"email": "k@b\u00fccher.de"}, {"email": "k@xn--bcher-kva.de"}),
    "contact": ({"contact": "+91-98765 43210"}, {"contact": "0091 (98765) 43210"}),
    "top-up": ({"details": TopUpDetails(phone_code="+91", phone_number="9876543210")}, {"contact": "+919876543210"}),
    "miles": (
        {"details": AirmilesDetails(loyalty_member_id="M1")},
        {"details": AirmilesDetails(loyalty_member_id="M1")},
    ),
    "an equal amount": ({"email": "a@b.example"}, {"email": "a@b.example", "denomination": Decimal("5.0")}),
}


@pytest.mark.parametrize(("one", "two"), TWICE.values(), ids=list(TWICE))
async def test_a_repeated_gift_is_a_warning(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Both rows are sent; the warning names row and key, the earlier row, and no address."""
    taken = rows([line("A", **one), line("other"), line("B", **two)])
    assert await numbers(taken) == [1, 2, 3]
    assert taken.problems.total == 0
    (warning,) = taken.warnings.shown()
    assert warning.startswith("row 3 (key B): its receiver gets product 1001 for 5")
    assert warning.endswith(" from row 1 too")


async def test_a_phone_may_lack_its_code() -> None:
    """It may be the receiver of an earlier row; the warning says why it may."""
    taken = rows([line("A", contact="+91-98765 43210"), line("B", contact="098765 43210")])
    assert await numbers(taken) == [1, 2]
    (warning,) = taken.warnings.shown()
    assert "(key B): its receiver may get product 1001 for 5" in warning
    assert warning.endswith("from row 1 too: one phone ends with the other, which may lack its country code")


async def test_another_person_product_or_value_is_no_repeat() -> None:
    """Rows without a receiver, and rows that share a short extension, are no repeats either."""
    given = [
        line("A", email="a@example.com"),
        line("B", email="b@example.com"),
        line("C", email="a@example.com", product_id=1002),
        line("D", email="a@example.com", denomination=Decimal(6)),
        line("E"),
        line("F"),
        line("G", contact="12345"),
        line("H", contact="12345"),
    ]
    taken = rows(given)
    assert len(await numbers(taken)) == len(given)
    assert taken.warnings.total == 0


async def test_warnings_are_counted_beyond_the_first_twenty() -> None:
    """A file with one address for all rows shows twenty warnings and counts the rest."""
    taken = rows([line(str(number), email="a@example.com") for number in range(100)])
    await numbers(taken)
    assert (len(taken.warnings.shown()), taken.warnings.total) == (20, 99)


async def planned(ledger: SqliteLedger, *keys: str, pack: bool = False) -> None:
    """Plan one order line for each key, as a job does."""
    spellings = OtherSpellings(ledger)
    await spellings.read()
    planner = Planner(None, pack=pack, spellings=spellings)
    await ledger.plan(JOB, planner.plan(rows([line(key) for key in keys])))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    async with SqliteLedger(tmp_path / "l.db") as ledger:
        yield ledger


@pytest.mark.parametrize("pack", [False, True], ids=["alone", "packed"])
@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("M\u00fcller", "Mu\u0308ller"),
        ("Mu\u0308ller", "M\u00fcller"),
        ("EMP\u00a01", "EMP 1"),
        ("a  b", "a\u2003b"),
        ("00123", "123"),
        ("123", "00123"),
        ("AB1", "ab1"),
        ("+91987", "91987"),
    ],
    ids=ascii,
)
async def test_a_key_in_another_spelling_is_refused(ledger: SqliteLedger, first: str, again: str, pack: bool) -> None:
    """The second file of a job must not order again: the error shows both spellings, and nothing is planned."""
    await planned(ledger, first, "other", pack=pack)
    with pytest.raises(errors.PlanError, match=r"row 2, column key: .* is planned already, in the spelling ") as caught:
        await planned(ledger, "new", again, pack=pack)
    assert ascii(first) in str(caught.value)
    assert ascii(again) in str(caught.value)
    assert (await ledger.counts()).rows == 2


async def test_a_withdrawn_spelling_does_not_count(ledger: SqliteLedger) -> None:
    """It was never ordered, so the file may be corrected; the other one is refused from then on."""
    await planned(ledger, "123")
    await ledger.withdraw(["123"], reason="a wrong file")
    await planned(ledger, "00123")
    with pytest.raises(errors.PlanError, match="planned already, in the spelling '00123'"):
        await planned(ledger, "123")


async def test_both_spellings_of_an_old_ledger_stay(ledger: SqliteLedger) -> None:
    """They were planned before spellings were compared: a second run orders neither again, and refuses neither."""
    await ledger.plan(JOB, Planner(None).plan(rows([line("ab1")])))
    await ledger.plan(JOB, Planner(None).plan(rows([line("AB1")])))
    for key in ("ab1", "AB1"):
        await planned(ledger, key)
    assert (await ledger.counts()).rows == 2


def test_many_keys_keep_their_first_spelling() -> None:
    """Of 5,000 keys, each is found under another spelling with its row, and a new one is not."""
    keys = FirstKeys()
    assert [keys.add(f"E{number}", number) for number in range(1, 5001)] == [None] * 5000
    assert all(keys.add(f"e{number}", 9999) == (number, f"E{number}") for number in range(1, 5001))
    assert (keys.find("e7"), keys.find("E5001")) == ("E7", None)


@pytest.mark.parametrize("key", ["Mu\u0308ller", "EMP\u00a01", "EMP-1"], ids=ascii)
async def test_the_same_spelling_is_the_same_row(ledger: SqliteLedger, key: str) -> None:
    """A second run plans nothing new, and the ledger keeps the key as it was given."""
    for _ in range(2):
        await planned(ledger, key)
    found = await ledger.find(key)
    assert found is not None
    assert (found.key, (await ledger.counts()).rows) == (key, 1)
