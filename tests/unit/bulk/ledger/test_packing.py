"""`packing`: how lines share an order."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.bulk.ledger.facts import planned
from xoxo_async.bulk.ledger.lines import Pack, PlannedLine
from xoxo_async.bulk.ledger.packing import Packer, with_places


def packed(lines: list[PlannedLine]) -> list[Pack]:
    """Return all orders of some lines."""
    packer = Packer()
    done = [pack for line in lines if (pack := packer.add(line)) is not None]
    return [*done, *packer.rest()]


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([100, 250]), st.sampled_from([None, "a"])), max_size=60))
def test_every_line_travels_once_with_its_kind(
    rows: list[tuple[int, int, str | None]],
) -> None:
    """Whatever comes: each line is in one order of its own product, value and tag, whose quantity is the lines' sum."""
    lines = [planned(number, pieces, value, tag=tag) for number, (pieces, value, tag) in enumerate(rows)]
    packs = packed(lines)
    assert sorted(line.row for pack in packs for line in pack.lines) == [line.row for line in lines]
    for pack in packs:
        sent = json.loads(pack.order.request)
        assert sent["quantity"] == sum(line.pieces for line in pack.lines) == pack.order.pieces <= 10
        assert pack.order.worth == sum(line.worth or 0 for line in pack.lines)
        assert sent["poNumber"] == pack.order.po_number
        assert len(pack.order.po_number) <= 100
        for line in pack.lines:
            own = json.loads(line.request)
            assert [sent[name] for name in ("productId", "denomination")] == [own["productId"], own["denomination"]]
            assert sent.get("tag") == own.get("tag")


def test_ten_lines_fill_an_order() -> None:
    """Orders are filled to the product's limit."""
    assert len(packed([planned(number) for number in range(10_000)])) == 1000


def test_the_same_lines_always_make_the_same_order() -> None:
    """The order's poNumber follows from its lines alone: planning twice can never buy twice."""
    lines = [planned(number) for number in range(7)]
    assert packed(lines)[0].order == packed(lines)[0].order
    assert packed(lines)[0].order.po_number != packed(lines[:6])[0].order.po_number


def test_a_line_alone_stays_itself() -> None:
    """A kind of a single line is ordered under the line's own poNumber."""
    (pack,) = packed([planned(1)])
    assert pack.order == pack.lines[0] == planned(1)


def test_codes_are_dealt_from_place_to_place() -> None:
    """A line begins where the pieces of the one before it end."""
    lines = [planned(number, pieces) for number, pieces in enumerate((3, 1, 2))]
    assert [first for first, _ in with_places(lines)] == [0, 3, 4]
