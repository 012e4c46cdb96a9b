"""Change a file a little, as a bad disk, a bad program or a bad person would."""

import io
import random
import re
import zipfile

__all__ = ["mutated"]

_NUMBERS = (b"0", b"-1", b"65535", b"1048576", b"4294967295", b"99999999999999999999", b"1e999", b"nan", b"")
_TEXTS = (
    b"<",
    b"</row>",
    b"&#0;",
    b"&x;",
    b"]]>",
    b"<!DOCTYPE a>",
    b"\0",
    b"\xff\xfe",
    b'"',
    b"A1:XFD1048576",
    b"=1/0",
    b"#N/A",
)
_NAMES = (b"r", b"t", b"s", b"hidden", b"ref", b"min", b"office:value", b"office:value-type",
          b"table:number-rows-repeated", b"table:number-columns-repeated")  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a file with one to a few changes: in its container, or in a member of it where it is a ZIP archive.

    Args:
        data: The file.
        chance: What decides; the same seed makes the same file.
    """
    if data.startswith(b"PK") and chance.random() < 0.75:
        return _in_members(data, chance)
    return _changed(data, chance)


def _in_members(data: bytes, chance: random.Random) -> bytes:
    """Change a member, and pack the archive anew, so that its sums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after:
        names = before.namelist()
        likely = [name for name in names if re.search(r"sheet1|content\.xml|sharedStrings|styles|workbook", name)]
        victims = {chance.choice(likely or names) for _ in range(chance.choice((1, 1, 1, 2)))}
        for name in names:
            content = before.read(name)
            if name in victims:
                how = chance.random()
                if how < 0.05:
                    continue
                content = _changed_xml(content, chance) if how < 0.7 else _changed(content, chance)
            after.writestr(name, content)
    return out.getvalue()


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Change bytes: turn some over, cut a piece out, put one in, double one, cut the end off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not changed:
            break
        at = chance.randrange(len(changed))
        size = chance.choice((1, 2, 4, 16, 200))
        how = chance.randrange(7)
        if how == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            changed[at : at + size] = chance.randbytes(size)
        elif how == 2:
            del changed[at : at + size]
        elif how == 3:
            changed[at:at] = changed[at : at + size] * chance.choice((1, 2, 50))
        elif how == 4:
            changed[at : at + size] = chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * size
        elif how == 5:
            changed[at:at] = chance.choice(_TEXTS)
        elif chance.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def _changed_xml(data: bytes, chance: random.Random) -> bytes:
    """Change XML so that it often stays XML: other numbers, other attributes, elements twice or away."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        how = chance.randrange(6)
        if how == 0:
            data = _replaced(rb"[0-9]+", data, chance.choice(_NUMBERS), chance)
        elif how == 1:
            data = _replaced(rb'"[^"]*"', data, b'"' + chance.choice(_NUMBERS + _TEXTS) + b'"', chance)
        elif how == 2:
            data = _replaced(rb"<[^>]*>", data, b"", chance)
        elif how == 3:
            found = _one(rb"<[^>]*>[^<]*", data, chance)
            if found:
                times = chance.choice((1, 2, 100, 10_000))
                data = data[: found.end()] + found[0] * times + data[found.end() :]
        elif how == 4:
            data = _replaced(rb">[^<]+<", data, b">" + chance.choice(_NUMBERS + _TEXTS) + b"<", chance)
        else:
            found = _one(rb"([a-zA-Z:-]+)=", data, chance)
            if found:
                name = chance.choice(_NAMES)
                data = data[: found.start()] + name + data[found.end() - 1 :]
    return data


def _replaced(pattern: bytes, data: bytes, text: bytes, chance: random.Random) -> bytes:
    found = _one(pattern, data, chance)
    return data if found is None else data[: found.start()] + text + data[found.end() :]


def _one(pattern: bytes, data: bytes, chance: random.Random) -> "re.Match[bytes] | None":
    found = list(re.finditer(pattern, data))
    return chance.choice(found) if found else None
