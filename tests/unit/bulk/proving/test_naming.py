"""`naming`: which poNumbers a job derives."""

import pytest

from xoxo_async.bulk.intake.keys import derive_po_number
from xoxo_async.bulk.proving.naming import key_of, kinship


@pytest.mark.parametrize(
    ("job", "key", "kin"),
    [
        ("march", "EMP-17", "surely"),
        ("march", "a_b", "surely"),
        ("march 2026", "EMP-17", "surely"),
        ("march", "asha@example.com", "perhaps"),
        ("march", "x" * 200, "perhaps"),
    ],
)
def test_a_job_knows_its_poNumbers(job: str, key: str, kin: str) -> None:  # noqa: N802 - the vendor's word
    """Surely where the key can be read out of it, else by the look of it."""
    po_number = derive_po_number(job, key)
    assert kinship(job, po_number) == kin
    assert key_of(job, po_number) == (key if kin == "surely" else None)


@pytest.mark.parametrize(
    "po_number",
    [
        "",
        "INV-17",
        "march",
        "march-EMP-17",
        derive_po_number("april", "EMP-17"),
        derive_po_number("march-2", "EMP-17"),
        derive_po_number("marching", "EMP-17"),
    ],
)
def test_other_poNumbers_are_not_its_own(po_number: str) -> None:  # noqa: N802 - the vendor's word
    """Also where another job's name begins alike, as far as the hash can prove it."""
    assert kinship("march", po_number) == ""


def test_a_job_without_a_plain_letter_claims_nothing() -> None:
    """Its poNumbers show no name, so every hash would look like its own."""
    assert kinship("märz"[1:2], derive_po_number("other job", "@")) == ""


def test_a_shared_order_is_its_first_rows() -> None:
    """Its poNumber begins with that row's, as long as that is short."""

    def shared(po_number: str) -> str:
        return f"{po_number[:74]}-x3-{'0' * 20}"

    assert kinship("march", shared(derive_po_number("march", "A"))) == "surely"
    assert key_of("march", shared(derive_po_number("march", "A"))) == "A"
    assert kinship("march", shared(derive_po_number("march-2", "A"))) == ""
    assert kinship("march", shared(derive_po_number("march", "x" * 90))) == "perhaps"


def test_a_long_name_is_known_by_its_beginning() -> None:
    """A poNumber shows 79 characters of job and key."""
    job = "j" * 100
    assert kinship(job, derive_po_number(job, "A")) == "perhaps"
    assert kinship(job, derive_po_number("j" * 70, "A")) == ""
