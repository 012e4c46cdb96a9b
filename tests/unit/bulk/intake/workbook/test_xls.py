"""What an .xls says beside its values."""

import pytest

from tests.unit.bulk.intake.workbook.books import FILES, result
from xoxo_async.bulk.intake.workbook.refusing import RefusedError

XLS = (FILES / "libreoffice.xls").read_bytes()


def test_an_xls_gives_the_rows_of_the_xlsx() -> None:
    """Ids with zeros that a format shows, numbers, flags, dates and the hidden row too."""
    xls, xlsx = result(XLS), result((FILES / "orders.xlsx").read_bytes())
    assert (xls.rows, xls.hidden) == (xlsx.rows, xlsx.hidden)


def test_an_error_in_an_xls_is_refused() -> None:
    """The record of a formula says so in the place of its value."""
    formula = _formula()
    data = bytearray(XLS)
    data[formula : formula + 8] = b"\x02\x00\x2a\x00\x00\x00\xff\xff"
    rows = result(bytes(data)).rows
    assert [cells[2] for _, cells in rows if isinstance(cells[2], list) and cells[2][0] == "bad"] == [
        ["bad", "has the error #N/A"]
    ]


def _formula() -> int:
    """Return where the first formula has its value: 500 as a number of eight bytes, behind row, column and style."""
    return XLS.index(b"\x00\x00\x00\x00\x00\x40\x7f\x40")


@pytest.mark.parametrize("data", [XLS[:3000], XLS[:8] + bytes(9000)])
def test_a_damaged_container_is_said(data: bytes) -> None:
    """A download that broke off is one."""
    with pytest.raises(RefusedError, match="damaged"):
        result(data)


@pytest.mark.parametrize(("name", "why"), [
    ("EncryptedPackage", "has a password"),
    ("WordDocument", "a Word document"),
    ("Something", "found in it"),
])  # fmt: skip
def test_other_containers_are_named(name: str, why: str) -> None:
    """Excel puts a workbook with a password into one; Word, Outlook and others use the same."""
    old, new = ("Workbook".encode("utf-16-le"), name[:31].encode("utf-16-le"))
    at = XLS.index(old)
    data = bytearray(XLS)
    data[at : at + 64] = new.ljust(64, b"\0")
    data[at + 64 : at + 66] = (len(new) + 2).to_bytes(2, "little")
    with pytest.raises(RefusedError, match=why):
        result(bytes(data))


def test_a_password_in_the_records_is_said() -> None:
    """Older programs encrypt the records, and say so in one of them."""
    start = XLS.index(b"\x09\x08\x10\x00\x00\x06")
    after = start + 20
    data = bytearray(XLS)
    data[after : after + 2] = b"\x2f\x00"
    with pytest.raises(RefusedError, match="password"):
        result(bytes(data))
