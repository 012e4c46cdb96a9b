"""`matching`: which column is which field."""

from typing import Any

import pytest

from xoxo_async import errors
from xoxo_async.bulk.intake.matching import Choices, Field, FieldSet, match_columns, recognised

PEOPLE = FieldSet(
    (
        Field("name", synonyms=("full name",), required=True),
        Field("email", synonyms=("e-mail", "mail")),
        Field("points", "whole", ("amount",)),
        Field("phone"),
    ),
    keys=("email", "phone"),
    why_key=", so that each person can be reached",
)


def matched(*header: str, **choices: Any) -> tuple[dict[int, str], list[str]]:
    """Return the fields by place and the kept columns."""
    columns = match_columns(header, PEOPLE, Choices(**choices), "p.csv")
    return {at: field.name for at, field in columns.fields}, [name for _, name in columns.kept]


@pytest.mark.parametrize(
    ("header", "choices", "fields", "kept"),
    [
        (["Full Name", "E Mail", "POINTS"], {}, {0: "name", 1: "email", 2: "points"}, []),
        (["Name", "mail", ""], {}, {0: "name", 1: "email"}, []),
        (["Who", "email"], {"columns": {"who": "name"}}, {0: "name", 1: "email"}, []),
        (["name", "email", "Team"], {"keep": ["team"]}, {0: "name", 1: "email"}, ["Team"]),
        (["name", "email", "Team", "Site"], {"keep": "all"}, {0: "name", 1: "email"}, ["Team", "Site"]),
        (["name", "email", "mail"], {"keep": ["mail"]}, {0: "name", 1: "email"}, ["mail"]),
        (["name", "full name", "email"], {"keep": "all"}, {0: "name", 2: "email"}, ["full name"]),
        (["name", "full name", "email"], {"columns": {"Full Name": "name"}, "keep": "all"},
         {1: "name", 2: "email"}, ["name"]),
        (["Who", "email"], {"known_columns": {"Who": "name", "Gone": "points"}}, {0: "name", 1: "email"}, []),
        (["Who", "email", "name"], {"columns": {"name": "name"}, "known_columns": {"Who": "name"}, "known_keep": "all"},
         {1: "email", 2: "name"}, ["Who"]),
        (["a", "b", "email"], {"columns": {"b": "name"}, "known_columns": {"a": "name", "b": "name"}, "keep": "all"},
         {1: "name", 2: "email"}, ["a"]),
    ],
)  # fmt: skip
def test_columns_are_matched(
    header: list[str], choices: dict[str, Any], fields: dict[int, str], kept: list[str]
) -> None:
    """A person's word comes first, then a field's own name, then a synonym."""
    assert matched(*header, **choices) == (fields, kept)


@pytest.mark.parametrize(
    ("header", "choices", "words"),
    [
        (["name", "mail", "e-mail"], {}, 'column mail and column e-mail can both be email: say which with --map '),
        (["name", "email", "Email"], {}, "column email is there more than once"),
        (["name", "emial"], {}, "a column email or phone, so that each person can be reached (found: name, emial)"),
        (["name", "emial"], {}, 'is it emial? Then add --map "emial=email"'),
        (["email"], {}, "column name is missing (found: email)"),
        (["name", "email", "Phome"], {}, "unknown column Phome (did you mean phone?)"),
        (["name", "email", "A", "B"], {}, 'unknown columns A, B: add --keep "A,B" or --keep all to let them ride'),
        (["name", "email", "A, B"], {}, "unknown column A, B: add --keep all to let it ride along"),
        (["name", "email"], {"columns": {"Nmae": "phone"}}, "there is no column Nmae (did you mean name?)"),
        (["name", "email"], {"keep": ["Team"]}, "there is no column Team"),
        (["name", "email", "x"], {"columns": {"x": "phnoe"}}, "there is no field 'phnoe' (did you mean phone?)"),
        (["a", "b", "email"], {"columns": {"a": "name", "b": "name"}}, "column a and column b can both be name"),
        (["a", "b", "email"], {"known_columns": {"a": "name", "b": "name"}, "known_keep": "all"},
         "column a and column b can both be name"),
    ],
)  # fmt: skip
def test_a_doubtful_header_is_refused(header: list[str], choices: dict[str, Any], words: str) -> None:
    """The error names the column, and what to add."""
    with pytest.raises(errors.XoxoError) as caught:
        matched(*header, **choices)
    assert words in str(caught.value)


def test_a_name_may_show_a_currency() -> None:
    """Other words in brackets belong to the name."""
    money = FieldSet((Field("amount", "amount", ("value",)),), currency="currency")
    columns = match_columns(["Value [in EUR]"], money, Choices(), "p.csv")
    assert columns.currencies == {"amount": ("EUR",)}
    with pytest.raises(errors.PlanError, match="unknown column Value"):
        match_columns(["Value (net)"], money, Choices(), "p.csv")


def test_what_was_recognised_is_said() -> None:
    """Only names that differ from the field's are worth saying."""
    columns = match_columns(["Full name", "email", "Team"], PEOPLE, Choices(keep="all"), "p.csv")
    assert columns.describe() == "Full name is name; kept: Team"
    assert match_columns(["name", "EMAIL"], PEOPLE, Choices(), "p.csv").describe() == ""


def test_names_that_mean_something_are_counted() -> None:
    """That is how the separator of a file is found."""
    assert recognised(["Full name", "mail", "x", ""], PEOPLE, Choices()) == 2
    assert recognised(["Full name", "Who", "Team"], PEOPLE, Choices({"who": "name"}, ["team"])) == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Pionts", "kept: Pionts (is it points? Then add --map)"),
        ("Team", "kept: Team"),
        ("Namme", "kept: Namme"),
    ],
)
def test_a_misspelled_field_among_kept_columns_is_told(name: str, said: str) -> None:
    """With `all` a misspelled name is no error: the field would be missing, and nobody would see it."""
    columns = match_columns(["name", "email", name], PEOPLE, Choices(keep="all"), "p.csv")
    assert columns.describe() == said
