"""`balances`: what was written in words is read back."""

from decimal import Decimal

from xoxo_async.bulk.unkeyed.balances import after_call, balances_in, before_call, holds


def test_balances_are_read_from_words() -> None:
    """A balance that could not be read is left out."""
    before, after = before_call(holds(Decimal("1E+2"))), after_call(holds(Decimal("140.5")))
    assert balances_in(f"the answer was lost; {before}; nobody can tell; {after}") == {
        "before": Decimal(100),
        "after": Decimal("140.5"),
    }
    assert balances_in(f"{before_call('it could not be read (ServerError)')}; {after}") == {"after": Decimal("140.5")}
    assert balances_in("the answer was lost") == {}
