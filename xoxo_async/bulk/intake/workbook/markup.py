"""Parse the XML inside of a workbook: streamed, without entities, without a document type."""

from collections.abc import Callable, Iterable
from typing import Final
from xml.parsers import expat

from xoxo_async.bulk.intake.workbook.refusing import RefusedError

__all__ = ["Attributes", "Parser", "local", "new_parser", "parse"]

Attributes = dict[str, str]
Parser = expat.XMLParserType
_LONGEST: Final = 2**21
"""Bytes without an element in which the parser may be: a tag or a text that is longer is no workbook's."""


def local(name: str) -> str:
    """Return a name without its prefix: some programs write `x:row`."""
    return name.rpartition(":")[2]


def parse(
    chunks: Iterable[bytes], part: str, start: Callable[[str, Attributes], object], *, parser: Parser | None = None
) -> None:
    """Parse XML; call `start` at each element.

    Args:
        chunks: The text.
        part: What it is, for messages.
        start: Takes the element's name and its attributes.
        parser: A parser with more handlers.

    Raises:
        RefusedError: It is no XML, or has a document type: a workbook has none, and entities are made there.
    """
    parser = parser or new_parser()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    fed = 0
    try:
        for chunk in chunks:
            parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - parser.CurrentByteIndex > _LONGEST:
                raise RefusedError(f"this is a damaged workbook ({part} in it has a cell of more than 2 MB)")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "no XML")
        raise RefusedError(f"this is a damaged workbook ({part} in it: {what}, line {error.lineno})") from None
    except (LookupError, ValueError, UnicodeError):  # an encoding that Python does not know
        raise RefusedError(f"this is a damaged workbook ({part} in it is no readable XML)") from None


def new_parser() -> Parser:
    """Return a parser that reads text in whole pieces."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    return parser


def _refuse_doctype(*_: object) -> None:
    raise RefusedError("this is no usual workbook: the XML in it has a document type (DTD)")
