"""The encoding of a text file: shown by a mark, by zero bytes, or by what its letters can be; or given by a person."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import Final

from xoxo_async.bulk.intake.tables import Form
from xoxo_async.bulk.intake.text_lines import LONGEST_LINE, UnreadableError
from xoxo_async.errors import ConfigError

__all__ = ["TextLines", "check_encoding"]

_ESCAPED: Final = re.compile("[\udc80-\udcff]")
_NOT_ESCAPED: Final = re.compile("[^\x00-\x7f\udc80-\udcff]")
_FAMILIES: Final = re.compile(
    r"utf-(?:8(?:-sig)?|16(?:-[lb]e)?|32(?:-[lb]e)?)|ascii|cp\d+|iso8859-\d+|mac-\w+|koi8-\w|(?:shift|euc)_\w+|gb\w+|big5\w*"
)
"""The names, in Python's spelling, of encodings that a file of rows may have."""
_LETTER: Final = "[A-Za-zŠŒŽšœžŸÀ-ÖØ-öø-ÿ]"
_SIGN: Final = (
    "[\u0192\u02c6\u02dc\u2013-\u2018\u201a-\u203a\u20ac\u2122\xa1-\xa9\xab-\xb3\xb6\xb8\xb9\xbb-\xbf\xd7\xf7]"
)
# In a text of Western Europe these are rare: three accented letters in a row, a sign within a word, a capital letter
# after a small one or within a word, a dash beside a letter. In Greek, Cyrillic, Japanese, Mac or DOS text that is read
# as Windows-1252 they are everywhere.
_NOT_WESTERN: Final = re.compile(
    f"[À-ÖØ-öø-ÿ]{{3}}|{_LETTER}{_SIGN}{_LETTER}|[a-zß-öø-ÿ][ŠŒŽŸÀ-ÖØ-Þ]|{_LETTER}[ŠŒŽŸÀ-ÖØ-Þ][a-z]"
    f"|{_LETTER}[\u2013\u2014]|[\u2013\u2014]{_LETTER}"
)
_STRANGE: Final = re.compile("[\x00-\x08\x0e-\x19\x1b-\x1f]")
"""Control characters that no text has; 26 ends a text of DOS."""
_FEW: Final = 2
_FEW_OF_ALL: Final = 0.02
_HINT: Final = "save it as UTF-8, or add --encoding NAME"
_OTHER: Final = "save it as UTF-8, or give another --encoding"


def check_encoding(name: str) -> str:
    """Return an encoding in Python's spelling.

    Args:
        name: `utf-8`, `utf-16`, `windows-1252`, `shift_jis` and so on.

    Raises:
        ConfigError: There is no such encoding of text.
    """
    try:
        known = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        known = ""
    if not _FAMILIES.fullmatch(known):
        raise ConfigError(f"encoding must be utf-8, utf-16, windows-1252 or another encoding of text, not {name!r}")
    return known


class TextLines:
    """The lines of a file, decoded, and bounded in length.

    A file is UTF-8 as long as it can be. At the first byte that is not, it is taken for Windows-1252 if everything
    before it was ASCII. From there on each line has to look like Windows-1252, and none may be UTF-8. So no file is
    read in two encodings, and one whose encoding is not clear is refused.

    Args:
        file: The file, at its start.
        form: Gets the name of the encoding that was recognised so far: `UTF-8`, `Windows-1252`.
        given: The encoding that a person gave, from `check_encoding`; None finds it out.
    """

    def __init__(self, file: io.BufferedReader, form: Form, given: str | None = None) -> None:
        self._head: Final = file.peek(4096)[:4096]
        codec = shown = _codec_of(self._head)
        if given and not _completes(codec, given):
            codec = given
        if codec == "utf-8":  # a mark at the start is no letter of the first name
            codec = "utf-8-sig"
        self._may_be_western = codec == "utf-8-sig" and not given
        self._wide: Final = codec.startswith(("utf-16", "utf-32"))
        # Such a codec needs a mark. It is looked for here, because what Python raises depends on its version.
        self._is_unmarked: Final = codec in {"utf-16", "utf-32"} and codec != shown and bool(self._head)
        self._zero: Final = "zero character" if self._wide else "zero byte"
        # A line end is kept as it is, because a quoted cell may hold it. Bytes that cannot be decoded are kept too: the
        # lines name the row. UTF-16 has no such bytes.
        errors = "strict" if self._wide else "surrogateescape"
        self._text: Final = io.TextIOWrapper(file, encoding=codec, errors=errors, newline="")
        self._form: Final = form
        form.encoding = _named(codec)
        self._hint: Final = _OTHER if given else _HINT

    def why_no_text(self, delimiter: str = "") -> str:
        """Return why the start of the file is no text, to follow `this is no text`; empty where it may be one.

        A good text can have control characters. So this explains why a header cannot be read, and does not decide it;
        and the header itself has to have some, unless there are zero bytes.

        Args:
            delimiter: What separates its cells, which may be a control character.
        """
        text = self._head.decode(self._text.encoding, "replace")
        strange = [sign for sign in _STRANGE.findall(text) if sign != delimiter]
        if len(strange) <= max(_FEW, len(text) * _FEW_OF_ALL):
            return ""
        if not self._head.strip(b"\0"):
            return " (it begins with zero bytes and nothing else); it is damaged, so get it once more"
        if "\0" in strange:
            what, option = f"{self._zero}s", self._hint_of_zeros()
        elif not _STRANGE.search(text.lstrip("\r\n").replace("\r", "\n").partition("\n")[0]):
            return ""
        else:
            what, option = "control characters", ""
            if len(set(strange)) == 1:
                option = ", or add --delimiter with that character if it separates the cells"
        return f" in {self._form.encoding} ({what} are in it); save it as CSV in UTF-8{option}"

    def _hint_of_zeros(self) -> str:
        """Return which encoding the zero bytes may be of, to follow an error message.

        In UTF-16, a zero byte is half of an English letter: always the second one, or always the first. Of the zero
        bytes that damage leaves, as many are at one place as at the other.
        """
        even, odd = self._head[0::2].count(0), self._head[1::2].count(0)
        if self._wide or (even + odd) * 10 <= len(self._head) or max(even, odd) <= 4 * min(even, odd):
            return ""
        return f", or add --encoding utf-16-{'le' if odd > even else 'be'} if it is UTF-16"

    def need_utf_8(self) -> None:
        """Take no file for Windows-1252 from here on: JSON is always in UTF-8, unless a person says otherwise."""
        self._may_be_western = False

    def __iter__(self) -> Iterator[str]:
        """Yield the lines; of an endless line, only as much as a row can hold.

        Raises:
            UnreadableError: A line cannot be decoded.
        """
        readline = self._text.readline
        seen_utf_8 = western = False
        try:
            if self._is_unmarked:
                codec = self._text.encoding
                raise UnreadableError(
                    f"not {self._form.encoding} (no mark at its start says which byte comes first); save it as UTF-8,"
                    f" or add --encoding {codec}-le or {codec}-be"
                )
            while line := readline(LONGEST_LINE + 1):
                if not line.isascii():
                    bad = _ESCAPED.search(line)
                    if western or (bad and self._may_be_western and not seen_utf_8):
                        if not western:
                            self._form.encoding, western = _named("cp1252"), True
                        line = _western(line)
                    elif bad:
                        raise UnreadableError(
                            f"not {self._form.encoding} (byte 0x{ord(bad[0]) - 0xDC00:02x}); {self._hint}"
                        )
                    else:
                        seen_utf_8 = True
                if "\0" in line:
                    raise UnreadableError(
                        f"a {self._zero} is in it, which no text has: write the file once more{self._hint_of_zeros()}"
                    )
                yield line
        except UnicodeDecodeError as error:
            raise UnreadableError(f"not {self._form.encoding} ({error.reason}); {self._hint}") from None
        finally:
            if not self._text.closed:
                self._text.detach()  # otherwise it closes the file, which is not its own


def _codec_of(head: bytes) -> str:
    """Return the codec that the first bytes of a file show."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.count(0) * 3 >= len(head) > 3:  # without a mark: each letter of English is a zero byte and another one
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if odd > 4 * even:
            return "utf-16-le"
        if even > 4 * odd:
            return "utf-16-be"
    return "utf-8"


def _completes(shown: str, given: str) -> bool:
    """Return whether a file shows what a given `utf-16` leaves open, or has the mark of a given `utf-16-le`."""
    family = given[:6]
    return family in {"utf-16", "utf-32"} and shown.startswith(family) and family in {shown, given}


def _western(line: str) -> str:
    """Return a line in Windows-1252 that was decoded as UTF-8, where it surely is one."""
    if _NOT_ESCAPED.search(line):
        raise UnreadableError(f"partly UTF-8 and partly another encoding; {_HINT}")
    raw = line.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"not UTF-8 and not Windows-1252 (byte 0x{raw[error.start]:02x}); {_HINT}") from None
    if _NOT_WESTERN.search(text):
        first = raw[len(text[: next(i for i, c in enumerate(text) if not c.isascii())])]
        raise UnreadableError(f"not UTF-8 (byte 0x{first:02x}), and it does not look like Windows-1252; {_HINT}")
    return text


def _named(codec: str) -> str:
    if codec.startswith("utf-8"):
        return "UTF-8"
    return (
        f"Windows-{codec[2:]}" if codec.startswith("cp125") else codec.upper().removesuffix("-LE").removesuffix("-BE")
    )
