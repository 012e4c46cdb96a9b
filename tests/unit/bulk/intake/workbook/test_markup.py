"""The XML inside of a workbook: no entities, no endless texts."""

import pytest

from xoxo_async.bulk.intake.workbook.markup import local, parse
from xoxo_async.bulk.intake.workbook.refusing import RefusedError


def names(*chunks: bytes) -> list[str]:
    found: list[str] = []
    parse(chunks, "a.xml", lambda name, _: found.append(local(name)))
    return found


def test_elements_are_given_as_they_come() -> None:
    """A chunk may end within an element."""
    assert names(b"<a><x:", b"b/></a>") == ["a", "b"]


@pytest.mark.parametrize(("xml", "why"), [
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
    (b"<a>&b;</a>", "undefined entity"),
    (b"<a>", "no element found"),
    (b"PK", "syntax error"),
    (b'<?xml version="1.0" encoding="nothing"?><a/>', "a.xml in it"),
    (b"\xff\xfe\x00", "a.xml in it"),
])  # fmt: skip
def test_other_xml_is_refused(xml: bytes, why: str) -> None:
    """Entities that stand for entities fill the memory from a small file."""
    with pytest.raises(RefusedError, match=why):
        names(xml)


def test_an_element_has_a_length() -> None:
    """A tag that does not end is not kept in memory as long as it comes."""
    with pytest.raises(RefusedError, match="more than 2 MB"):
        names(b"<a b='", *[b"x" * 2**16] * 100)
