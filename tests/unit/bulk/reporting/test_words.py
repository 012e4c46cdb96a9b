"""Words of a report: what is masked, and what error ids advise."""

import pytest

from xoxo_async.bulk import derive_po_number
from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.bulk.reporting.words import (
    advice_on,
    fact_words,
    is_personal,
    is_secret,
    masked,
    masked_po,
    meaning_of,
    open_words,
    vendor_words,
    words_of,
)
from xoxo_async.errors import ERROR_IDS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to ann.lee@example.com, (bob@b.example)", "to a***@example.com, (b***@b.example)"),
        ("no address @ home", "no address @ home"),
        ("two\nlines\x1b[31m", "two lines [31m"),
    ],
)
def test_addresses_are_masked(text: str, shown: str) -> None:
    """Only the first letter and the domain stay, and nothing moves a cursor."""
    assert masked(text) == shown


def test_vendor_words_lose_long_numbers() -> None:
    """They may be phone numbers or codes; the class of an error goes, too, and a long text is cut."""
    assert vendor_words("OutOfStockError: call +91 98765 43210, 12 times") == "Call ***, 12 times"
    assert len(vendor_words("x" * 1000)) == 301


@pytest.mark.parametrize(
    ("value", "personal"),
    [("ann@example.com", True), ("+91 98765 43210", True), ("CC-1000", False), ("Sales", False), ("", False)],
)
def test_what_names_a_person_is_personal(value: str, personal: bool) -> None:
    """Addresses and phone numbers do; a cost centre does not."""
    assert is_personal(value) is personal


def test_every_fact_has_a_meaning() -> None:
    """Whatever moved a line, the report can say what it proves."""
    assert all(fact_words(fact, kind) for fact in ("", *Evidence) for kind in JobKind)


@pytest.mark.parametrize("kind", [kind for kind in JobKind if kind is not JobKind.ORDERS])
def test_no_order_is_named_without_one(kind: JobKind) -> None:
    """Points, links and mails have no order, no poNumber to look for, and no look-up that settles them."""
    states = open_words(kind)
    happens = ("answered_placed", "answered_done", "refused_no_order", "refused_unclear", "person_placed",
               "person_corrected", "person_rejected", "late_proof")  # fmt: skip
    said = [states[state] for state in ("manual", "unknown", "sending", "pending", "cancelling")]
    assert "cancelled" not in states, "points that were cancelled are settled"
    said += [fact_words(fact, kind) for fact in happens]
    said += [
        *filter(lambda words: isinstance(words, str), words_of(kind)),
        advice_on("PLE10018", LineState.UNKNOWN, kind),
    ]
    for words in said:
        assert not any(word in words for word in ("order", "poNumber", "codes", "reconcile")), words


@pytest.mark.parametrize("error_id", [*ERROR_IDS, "", "PLE99999"])
def test_every_refusal_has_an_advice(error_id: str) -> None:
    """It depends on whether an order may exist."""
    assert "keys that are not used yet" in advice_on(error_id, LineState.REJECTED, JobKind.ORDERS)
    assert "`xoxo bulk resolve`" in advice_on(error_id, LineState.MANUAL, JobKind.ORDERS)
    assert "`xoxo bulk reconcile`" in advice_on(error_id, LineState.UNKNOWN, JobKind.ORDERS)
    assert "  " not in advice_on(error_id, LineState.UNKNOWN, JobKind.ORDERS).strip()


def test_an_unknown_error_id_has_no_meaning() -> None:
    """The vendor's words then say what there is to say."""
    assert meaning_of("PLE10018") == "The denomination is not offered."
    assert meaning_of("PLE99999") == ""


@pytest.mark.parametrize(
    "key", ["anna.k@example.com", "anna.k-with-a-very-long-name-of-many-parts-and-more-of-them@example.com"]
)
@pytest.mark.parametrize("job", ["em", "a-job-with-a-name-that-leaves-little-room-for-a-key"])
def test_a_po_number_shows_no_address(job: str, key: str) -> None:
    """The hash at its end still finds the order, also where the poNumber is cut."""
    po_number = derive_po_number(job, key)
    shown = masked_po(f"order 5 has {po_number} there", key)
    assert po_number[-21:] in shown
    assert "nna-k" not in shown
    assert f"{job}-a***-" in shown


def test_another_po_number_is_shown_whole() -> None:
    """A person chose it, or its key is no address."""
    assert masked_po("INV-anna-1", "anna.k@example.com") == "INV-anna-1"
    assert masked_po("em-anna-k-8d316a99a411ccf1153a", "anna k") == "em-anna-k-8d316a99a411ccf1153a"


@pytest.mark.parametrize(("name", "secret"), [
    ("Shipping", False), ("Spinner", False), ("Cost centre", False), ("Department", False), ("PIN", True),
    ("Barcode", True), ("voucher_no", True), ("Telephone", True), ("Handy-Mail", True),
])  # fmt: skip
def test_a_name_says_what_is_secret(name: str, secret: bool) -> None:
    """Words count, in any case and spelling."""
    assert is_secret(name) is secret
