"""`person_fields`: what people call the columns of a key, an address, a phone and a name."""

import pytest

from xoxo_async.bulk.intake.matching import Choices, Field, FieldSet, match_columns
from xoxo_async.bulk.intake.person_fields import EMAIL, KEY, NAME, PHONE_NAMES

FIELDS = FieldSet((KEY, EMAIL, NAME, Field("phone", synonyms=PHONE_NAMES)), keys=("key",))


@pytest.mark.parametrize(("column", "field"), [
    ("Employee ID", "key"),
    ("reference no.", "key"),
    ("E-Mail", "email"),
    ("Recipient Email Address", "email"),
    ("Mobile Number", "phone"),
    ("Full name", "name"),
    ("Name of recipient", "name"),
])  # fmt: skip
def test_usual_names_are_known(column: str, field: str) -> None:
    """Nobody has to rename the columns of the file that they have."""
    header = [column] if field == "key" else ["key", column]
    columns = match_columns(header, FIELDS, Choices(), "people.csv")
    assert columns.titles == {field: column}
