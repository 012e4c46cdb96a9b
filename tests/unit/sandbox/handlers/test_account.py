"""`handlers.account`: the balance and the payment report, in either dialect."""

import pytest

from tests.unit.sandbox.handlers.servers import DAYS, NO_DAYS, Server


def test_a_balance_has_points_in_one_dialect() -> None:
    """The vendor's dialect adds points; the OpenAPI file lists only value and currency."""
    assert Server().ask("getBalance", {}) == {"value": 100_000, "currency": "INR", "points": 1_000_000}
    assert Server(openapi=True).ask("getBalance", {}) == {"value": 100_000, "currency": "INR"}


def test_the_payment_report_adds_up_to_the_balance(either: Server) -> None:
    """The newest row is first, and each row has the sum and the balance after it."""
    either.place()
    rows = either.ask("paymentHistory", DAYS)
    assert [(row["adjusted_amount"], row["closing_balance"]) for row in rows] == [(200, 99_800), (100_000, 100_000)]


def test_an_empty_payment_report_is_an_empty_list(either: Server) -> None:
    """The payment report of days without payments is an empty list, not an error."""
    assert either.ask("paymentHistory", NO_DAYS) == []


@pytest.mark.parametrize("operation", ["paymentHistory", "getPaymentReport"])
def test_a_payment_report_needs_both_days(either: Server, operation: str) -> None:
    """A payment report without a last day is refused with PLE10032."""
    assert either.refused(operation, {"startDate": "2026-03-01"}) == ("PLE10032", 400)
