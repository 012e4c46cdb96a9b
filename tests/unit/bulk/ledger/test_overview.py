"""Pure parts of an overview: beats, requests, receivers and notes."""

from decimal import Decimal

import pytest

from xoxo_async.bulk.ledger.overview import (
    DOMAINS_SHOWN,
    Penalty,
    ProductNote,
    Receivers,
    RunNote,
    beat_width,
    bought,
    notes_of,
    products_of,
    receivers_of,
    with_note,
)

DAY_S = 86_400


@pytest.mark.parametrize(
    ("span_s", "width_s"),
    [(0.0, 1), (58.9, 1), (59.1, 2), (3600, 120), (DAY_S, 1800), (59 * DAY_S - 1, DAY_S), (100 * DAY_S, 2 * DAY_S)],
)
def test_a_job_has_at_most_sixty_beats(span_s: float, width_s: int) -> None:
    """Each covers a round time."""
    assert beat_width(1000.0, 1000.0 + span_s) == width_s
    assert span_s / width_s <= 60


def test_a_job_without_orders_has_a_width() -> None:
    """The shortest."""
    assert beat_width(None, None) == 1


@pytest.mark.parametrize(
    ("beginning", "found"),
    [
        ('{"productId":7,"quantity":2,"denomination":0.30,', (7, Decimal("0.30"), 2)),
        ('{"n":1}', (None, Decimal(0), 1)),
        ("no JSON", (None, Decimal(0), 1)),
    ],
)
def test_a_request_says_what_it_buys(beginning: str, found: tuple[int | None, Decimal, int]) -> None:
    """Its amount exactly; another kind of request says nothing."""
    assert bought(beginning) == found


def test_rare_domains_are_added_up() -> None:
    """The most frequent ones are named."""
    found = [(f"d{number}.example", True, 100 - number) for number in range(DOMAINS_SHOWN + 2)]
    receivers = receivers_of([*found, ("d0.example", False, 1), ("#", False, 3), ("", False, 2)])
    assert [one for one in receivers if one.kind == "email" and not one.domain] == [
        Receivers("email", "", True, 100 - DOMAINS_SHOWN + 100 - DOMAINS_SHOWN - 1)
    ]
    assert Receivers("email", "d0.example", False, 1) in receivers
    assert receivers[-2:] == [Receivers("phone", "", False, 3), Receivers("none", "", False, 2)]


def test_notes_stay_small() -> None:
    """Forty runs with twenty penalties each at most."""
    text: str | None = None
    for number in range(50):
        penalties = tuple(Penalty(float(count), 1.0, "orders") for count in range(30))
        text = with_note(text, RunNote(str(number), 0.0, penalties=penalties))
    notes = notes_of(text)
    assert [note.id for note in notes] == [str(number) for number in range(10, 50)]
    assert {len(note.penalties) for note in notes} == {20}
    assert len(text or "") < 40_000


def test_a_ledger_without_notes_has_none() -> None:
    """Of runs, and of products; those that it has keep exact prices."""
    assert (notes_of(None), products_of(None)) == ([], {})
    assert products_of('{"7":["Shop","INR","1.50",null,"0"]}'.replace("null", '"0"')) == {
        7: ProductNote("Shop", "INR", Decimal("1.50"), Decimal(0), Decimal(0))
    }
