"""`encodings`: the encoding of a file is what the file shows, or it is refused."""

import contextlib
import encodings.aliases
import random
from pathlib import Path

import pytest

from tests.unit.bulk.intake.orders_files import HEAD, problem
from xoxo_async import errors
from xoxo_async.bulk import read_orders
from xoxo_async.bulk.intake.encodings import check_encoding

TAGGED = HEAD[:-1] + ",tag\n"
ROW = "a,1,10,1,Müller \u2013 René\u2019s 50 €\n"

SHOWN = {
    "utf-8": ("utf-8", "UTF-8"),
    "utf-8 with a mark": ("utf-8-sig", "UTF-8"),
    "utf-16": ("utf-16", "UTF-16"),
    "utf-16 without a mark": ("utf-16-le", "UTF-16"),
    "utf-16, the other way round": ("utf-16-be", "UTF-16"),
    "windows-1252": ("cp1252", "Windows-1252"),
}


@pytest.mark.parametrize(("codec", "name"), SHOWN.values(), ids=list(SHOWN))
def test_a_file_shows_its_encoding(tmp_path: Path, codec: str, name: str) -> None:
    """The text is the same in each, and the form has the name that people use."""
    path = tmp_path / "o.csv"
    path.write_bytes((TAGGED + "b,1,10,1,plain\n" + ROW).encode(codec))
    orders = read_orders(path)
    assert [line.tag for line in orders] == ["plain", "Müller \u2013 René\u2019s 50 €"]
    assert orders.form is not None
    assert orders.form.encoding == name


@pytest.mark.parametrize(
    ("codec", "given", "text"),
    [
        ("cp1252", "windows-1252", "Ÿoung"),
        ("cp1251", "cp1251", "Привет"),
        ("utf-16", "utf-16", "é"),
        ("utf-8", "utf-8", "é"),
    ],
)
def test_a_given_encoding_is_taken(tmp_path: Path, codec: str, given: str, text: str) -> None:
    """A person may know what a file does not show."""
    path = tmp_path / "o.csv"
    path.write_bytes(f"{TAGGED}a,1,10,1,{text}\n".encode(codec))
    assert [line.tag for line in read_orders(path, encoding=given)] == [text]


BAD_FILES = {
    "cyrillic": ((TAGGED + "a,1,1,1,Привет\n").encode("cp1251"), "row 2: not UTF-8 (byte 0xcf), and it does not look"),
    "greek": ((TAGGED + "a,1,1,1,Καλημέρα\n").encode("cp1253"), "does not look like Windows-1252"),
    "mac": ((TAGGED + "a,1,1,1,Müller\n").encode("mac-roman"), "does not look like Windows-1252"),
    "dos": ((TAGGED + "a,1,1,1,Jürgen\n").encode("cp850"), "row 2: not UTF-8 and not Windows-1252 (byte 0x81)"),
    "japanese": ((TAGGED + "a,1,1,1,日本語\n").encode("shift_jis"), "Windows-1252"),
    "utf-8, then western": (
        (TAGGED + "a,1,1,1,é\n").encode() + "b,1,1,1,é\n".encode("cp1252"),
        "row 3: not UTF-8 (byte 0xe9)",
    ),
    "western, then utf-8": (
        (TAGGED + "a,1,1,1,é\n").encode("cp1252") + "b,1,1,1,é\n".encode(),
        "row 3: partly UTF-8 and partly another encoding",
    ),
    "western in json": (b'{"key": "a", "product_id": 1, "denomination": 1}\n{"key": "\xe9"}', "row 2: not UTF-8"),
    "half a letter of utf-16": ((TAGGED + ROW).encode("utf-16")[:-1], "not UTF-16"),
}


@pytest.mark.parametrize(("content", "words"), BAD_FILES.values(), ids=list(BAD_FILES))
def test_an_unclear_encoding_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """The error names the row, and how to settle it: no text is guessed."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "save it as UTF-8, or add --encoding" in text
    assert text.replace("\n", "").isprintable()


OPEN = {
    "utf-16": ("utf-16-le", "utf-16"),
    "utf-16, the other way round": ("utf-16-be", "utf-16"),
    "utf-16 with a mark": ("utf-16", "utf-16-be"),
    "utf-32 with a mark": ("utf-32", "utf-32-be"),
}


@pytest.mark.parametrize(("codec", "given"), OPEN.values(), ids=list(OPEN))
def test_a_file_completes_the_given_encoding(tmp_path: Path, codec: str, given: str) -> None:
    """Which byte comes first, a mark or the zero bytes of the file say better than a person."""
    path = tmp_path / "o.csv"
    path.write_bytes((TAGGED + ROW).encode(codec))
    assert [line.key for line in read_orders(path, encoding=given)] == ["a"]


@pytest.mark.parametrize(
    ("content", "given"),
    [
        (HEAD.encode(), "utf-16"),
        ((TAGGED + ROW).encode("utf-32-le"), "utf-32"),
    ],
)
def test_a_file_without_a_mark_is_refused(tmp_path: Path, content: bytes, given: str) -> None:
    """Python's own error for it says nothing of the place; the reader's names the row and what to give."""
    path = tmp_path / "o.csv"
    path.write_bytes(content)
    with pytest.raises(errors.PlanError) as caught:
        list(read_orders(path, encoding=given))
    why = f"row 1: not {given.upper()} (no mark at its start says which byte comes first)"
    assert f"{why}; save it as UTF-8, or add --encoding {given}-le or {given}-be" in str(caught.value)


def _names() -> list[str]:
    known: list[str] = []
    for name in sorted({*encodings.aliases.aliases.values(), "shift_jisx0213", "utf_8_sig"}):
        with contextlib.suppress(errors.ConfigError):
            known.append(check_encoding(name))
    return known


@pytest.mark.parametrize("name", _names())
def test_no_encoding_raises_an_error_of_python(tmp_path: Path, name: str) -> None:
    """Whatever bytes a file has, it gives rows or one clear line."""
    chance = random.Random(name)
    path = tmp_path / "o.csv"
    texts = [HEAD.encode(codec) for codec in ("utf-8", "utf-16", "utf-16-le", "utf-32", "utf-32-le")]
    for content in (*texts, *map(chance.randbytes, (1, 2, 3, 5, 50, 5000)), b"\xff" * 50, bytes(range(256))):
        path.write_bytes(content)
        with pytest.raises(errors.PlanError) as caught:
            list(read_orders(path, encoding=name))
        assert str(caught.value).replace("\n", "").isprintable()


NO_TEXTS = {
    "zero bytes": (b"\0" * 5000, "this is no text (it begins with zero bytes and nothing else)"),
    "binary": (
        bytes(range(1, 256)),
        "this is no text in UTF-8 (control characters are in it); save it as CSV in UTF-8",
    ),
    "zero bytes behind the rows": (
        HEAD.encode() + b"a,1,10,1\n" + bytes(5000),
        "row 3: a zero byte is in it, which no text has: write the file once more",
    ),
    "zero bytes in the header": (
        b"key\0\0\0\0,product_id,denomination\na,1,10\n",
        "this is no text in UTF-8 (zero bytes are in it); save it as CSV in UTF-8",
    ),
    "letters of four bytes": (
        (TAGGED + ROW).encode("utf-32-le"),
        "this is no text in UTF-8 (zero bytes are in it); save it as CSV in UTF-8",
    ),
    "zero characters in wide letters": (
        ("key\0\0\0\0,product_id,denomination\na,1,10\n").encode("utf-16"),
        "this is no text in UTF-16 (zero characters are in it); save it as CSV in UTF-8",
    ),
    "control characters in wide letters": (
        ("".join(map(chr, range(1, 32))) + "\n").encode("utf-16"),
        "this is no text in UTF-16 (control characters are in it); save it as CSV in UTF-8",
    ),
    "a zero character in a row": (
        (HEAD + "a\0,1,10,1\n").encode("utf-32"),
        "row 2: a zero character is in it, which no text has: write the file once more",
    ),
    "a separator that was not given": (
        HEAD.replace(",", "\x01").encode() + b"a\x011\x0110\x011\n",
        "save it as CSV in UTF-8, or add --delimiter with that character if it separates the cells",
    ),
    "a zero byte in a row": (
        HEAD.encode() + b"a,1,10,1\nb\0,1,10,1\n",
        "row 3: a zero byte is in it, which no text has",
    ),
}


@pytest.mark.parametrize(("content", "words"), NO_TEXTS.values(), ids=list(NO_TEXTS))
def test_what_is_no_text_has_no_encoding(tmp_path: Path, content: bytes, words: str) -> None:
    """The message says what it is, in words that are true for its encoding, and does not ask for another one."""
    text = problem(tmp_path / "orders.csv", content)
    assert words in text
    assert "--encoding" not in text
    assert text.isprintable()


@pytest.mark.parametrize(("codec", "given"), [("utf-16", "utf-16-le"), ("utf-16-be", "utf-16-be"), ("utf-32", None)])
def test_a_given_encoding_is_not_asked_for(tmp_path: Path, codec: str, given: str | None) -> None:
    """The zero bytes of UTF-16 and UTF-32 are no fault, and a file that was read so needs no other name for it."""
    path = tmp_path / "o.csv"
    path.write_bytes(("key\0\0\0\0\x01\x02,product_id,denomination\n" + "a,1,10\n" * 3).encode(codec))
    with pytest.raises(errors.PlanError, match="zero characters are in it") as caught:
        list(read_orders(path, encoding=given))
    assert "--encoding" not in str(caught.value)


@pytest.mark.parametrize(
    ("header", "delimiter", "words"),
    [
        ("key,product_id,tag\n", None, "column denomination is missing"),
        ("Was,Wer,Notiz\n", None, "columns product_id, denomination and key or po_number are missing"),
        ("key,product_id,denomination\n", ";", "this file is separated by commas, not by semicolons"),
        ("key,product_id,denomination\n", "\x01", "this file is separated by commas, not by '\\x01'"),
    ],
)
def test_a_header_without_control_characters_is_text(
    tmp_path: Path, header: str, delimiter: str | None, words: str
) -> None:
    """What is wrong with such a header is said, whatever characters the rows have."""
    path = tmp_path / "o.csv"
    path.write_text(header + "a,1,\x1b[1m\x1b[0m\n" * 9)
    with pytest.raises(errors.PlanError) as caught:
        list(read_orders(path, delimiter=delimiter))
    assert words in str(caught.value)


@pytest.mark.parametrize("sign", ["\x01", "\x1f"])
def test_a_control_character_can_be_the_separator(tmp_path: Path, sign: str) -> None:
    """Hive and others write such files."""
    path = tmp_path / "o.csv"
    path.write_text((HEAD + "a,1,10,1\nb,1,10,1\n").replace(",", sign))
    assert [line.key for line in read_orders(path, delimiter=sign)] == ["a", "b"]


def test_control_characters_in_other_columns_stay(tmp_path: Path) -> None:
    """However many a column has that is not sent, the rows are read."""
    path = tmp_path / "o.csv"
    path.write_text(HEAD[:-1] + ",Note\n" + "a,1,10,1,\x1b[1m\x02\x1b[0m\x02\n")
    assert [line.key for line in read_orders(path, keep=["Note"])] == ["a"]


def test_zero_bytes_may_be_half_of_letters(tmp_path: Path) -> None:
    """Where half of the letters have a zero byte, nothing shows the encoding, and the message says what it may be."""
    content = (TAGGED + "甲,1,10,1,一" + "乙" * 100 + "\n").encode("utf-16-le")
    path = tmp_path / "o.csv"
    assert "add --encoding utf-16-le if it is UTF-16" in problem(path, content)
    assert [line.key for line in read_orders(path, encoding="utf-16-le")] == ["甲"]
    content = content.decode("utf-16-le").encode("utf-16-be")
    assert "add --encoding utf-16-be if it is UTF-16" in problem(path, content)
    assert [line.key for line in read_orders(path, encoding="utf-16-be")] == ["甲"]


def test_a_few_control_characters_are_no_binary(tmp_path: Path) -> None:
    """Of a text with one, the check of the row says where it is; a text of DOS ends with another one."""
    path = tmp_path / "o.csv"
    path.write_bytes(HEAD.encode() + b"a\x01,1,10,1\nb,1,10,1\n\x1a")
    assert "row 2, column key: holds U+0001" in problem(path, path.read_bytes())


def test_another_encoding_than_the_given_is_refused(tmp_path: Path) -> None:
    """A given encoding is never replaced by another one."""
    path = tmp_path / "o.csv"
    path.write_bytes((TAGGED + ROW).encode("cp1252"))
    with pytest.raises(errors.PlanError, match=r"row 2: not UTF-8 \(byte 0xfc\)"):
        list(read_orders(path, encoding="utf-8"))


@pytest.mark.parametrize("name", ["", "utf-9", "base64", "rot13", "punycode", "x\0"])
def test_what_encodes_no_text_is_refused(name: str) -> None:
    """The error says what may be given."""
    with pytest.raises(errors.ConfigError, match="encoding must be utf-8, utf-16, windows-1252 or another"):
        check_encoding(name)
