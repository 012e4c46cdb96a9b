"""`differing`: what has changed in a row that was planned is named by its field, without an address."""

from collections.abc import Sequence

import pytest

from xoxo_async.bulk.ledger.lines import LedgerLine, PackedLine, PlannedLine
from xoxo_async.bulk.planning.differing import Fields, RecentLines
from xoxo_async.errors import LedgerConflictError

FIELDS = Fields({"denomination": "amount", "tag": "tag", "email": "email"}, frozenset({"denomination"}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('{"denomination":500}', '{"denomination":1000}', "amount was 500 and is 1000"),
        ('{"email":"a@b.example"}', '{"email":"b@b.example"}', "email has changed"),
        ('{"tag":"x"}', '{"shippingCity":"Goa","shippingState":"GA"}', "tag has changed, details have changed"),
        ('{"tag":"x"}', '{"tag":"x"}', ""),
    ],
)  # fmt: skip
def test_a_difference_is_named_by_field(old: str, new: str, said: str) -> None:
    """By the names that a file has, and only amounts with their values."""
    assert FIELDS.differing(old, new.encode()) == said


class Ledger:
    """A ledger of one line, alone or in a shared order."""

    def __init__(self, *, lines: int) -> None:
        self.lines = lines

    async def find(self, key: str) -> LedgerLine | None:
        return LedgerLine(1, "a", "po", "d", '{"denomination":5}', 1, lines=self.lines) if key in "ab" else None

    async def packed(self, orders: Sequence[LedgerLine]) -> dict[int, list[PackedLine]]:
        row = PackedLine(1, 0, 1, "b", "p", "d", '{"denomination":6}', 2)
        return {orders[0].seq: [row]}


def conflict(key: str) -> LedgerConflictError:
    error = LedgerConflictError("planned with other contents")
    error.key = key
    return error


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("key", "lines", "said"),
    [
        ("a", 1, "planned with other contents: amount was 5 and is 7"),
        ("b", 2, "planned with other contents: amount was 6 and is 7"),
        ("a", 2, "planned with other contents"),
        ("c", 1, "planned with other contents"),
        ("", 1, "planned with other contents"),
    ],
)
async def test_an_error_says_what_differs(key: str, lines: int, said: str) -> None:
    """Also for a row that shares an order; where nothing is known of it, the error stays as it is."""
    recent = RecentLines(Ledger(lines=lines), FIELDS)
    for one in ("x", "a", "b", "c"):
        recent.note(PlannedLine(one, f"po-{one}", "other", b'{"denomination":7}', 1))
    assert (await recent.explained(conflict(key))).message == said
