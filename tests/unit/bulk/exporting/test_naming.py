"""`naming`: every value has a file of its own, with a name that is safe on every system."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xoxo_async.bulk.exporting.naming import split_paths

OUT = Path("out/codes.xlsx")


def names(*values: str) -> list[str]:
    return [path.name for path in split_paths(OUT, values).values()]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Sales", "codes-Sales.xlsx"),
        ("", "codes-none.xlsx"),
        ("../../etc/passwd", "codes-etc_passwd.xlsx"),
        ("R&D / Pune", "codes-R_D_Pune.xlsx"),
        ("a\\b:c*?\x00\n", "codes-a_b_c.xlsx"),
        ("विपणन", "codes-विपणन.xlsx"),
        ("CON", "codes-CON.xlsx"),
        ("a. ", "codes-a.xlsx"),
        ("///", "codes-_.xlsx"),
        ("me@example.com", "codes-me@example.com.xlsx"),
    ],
)
def test_a_name_is_safe(value: str, name: str) -> None:
    """No separator, no control character, no dot or blank at an end; letters of every script stay."""
    assert names(value) == [name]


def test_names_that_would_be_one_are_marked() -> None:
    """Also where only a system without case would take them for one; blank values keep their name."""
    marked = names("A/B", "A:B", "sales", "Sales", "", "none", "Pune")
    assert len({name.casefold() for name in marked}) == 7
    assert marked[4] == "codes-none.xlsx"
    assert marked[6] == "codes-Pune.xlsx"
    assert marked[:2] == names("A/B", "A:B")


@given(st.sets(st.text(max_size=300), max_size=8))
def test_every_value_has_its_file(values: set[str]) -> None:
    """In the folder of the export, by a name that a file system takes, different from every other one."""
    paths = split_paths(OUT, {value.strip() for value in values})
    assert {path.parent for path in paths.values()} <= {OUT.parent}
    assert all(len(f".{path.name}.12345678".encode()) <= 255 for path in paths.values())
    assert len({path.name.casefold() for path in paths.values()}) == len(paths)
