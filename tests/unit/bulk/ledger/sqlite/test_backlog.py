"""`sqlite.backlog`: the rows that a plan names are told from those that it lacks."""

from xoxo_async.bulk.ledger.sqlite.backlog import Seen


def test_seen_lines_are_told_from_the_others() -> None:
    """Lines that came after the beginning of a plan are nobody's to miss."""
    seen = Seen(17)
    for seq in (1, 8, 17, 18, 400):
        seen.add(seq)
    assert [seq for seq in range(1, 18) if seq in seen] == [1, 8, 17]
    seen.add_packed(3, 0)
    seen.add_packed(3, 70)
    assert [seen.has_packed(3, first) for first in (0, 1, 70)] == [True, False, True]
    assert not seen.has_packed(4, 0)
