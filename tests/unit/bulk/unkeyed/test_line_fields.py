"""`line_fields`: what the columns of recipients, links and addresses are called."""

import pytest

from xoxo_async.bulk.intake.matching import Choices, FieldSet, match_columns
from xoxo_async.bulk.unkeyed.line_fields import LINK_FIELDS, MAIL_FIELDS, POINTS_FIELDS
from xoxo_async.errors import PlanError


@pytest.mark.parametrize(("known", "header"), [
    (POINTS_FIELDS, {"Emp ID": "key", "E-Mail": "email", "Full Name": "name", "Points": "amount", "Note": "citation"}),
    (POINTS_FIELDS, {"key": "key", "email": "email", "Mobile": "phone", "name": "name", "No. of points": "amount"}),
    (LINK_FIELDS, {"Row ID": "key", "Number of links": "quantity"}),
    (MAIL_FIELDS, {"Staff No.": "key", "Work e-mail": "email"}),
])  # fmt: skip
def test_usual_columns_are_known(known: FieldSet, header: dict[str, str]) -> None:
    """A file that people have needs no --map."""
    columns = match_columns(list(header), known, Choices(), "people.csv")
    assert [field.name for _, field in columns.fields] == list(header.values())


@pytest.mark.parametrize(("known", "missing"), [
    (POINTS_FIELDS, "email, name and amount"),
    (MAIL_FIELDS, "email"),
])  # fmt: skip
def test_needed_columns_are_named(known: FieldSet, missing: str) -> None:
    """Without them no row can be sent."""
    with pytest.raises(PlanError) as caught:
        match_columns(["key"], known, Choices(), "people.csv")
    assert all(name in str(caught.value) for name in missing.replace(" and ", ", ").split(", "))
    assert "missing" in str(caught.value)


def test_a_link_row_needs_only_a_key() -> None:
    """A list of names gets one link each."""
    assert match_columns(["key"], LINK_FIELDS, Choices(), "rows.csv").key_column == "key"
