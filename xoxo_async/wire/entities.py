"""The vendor's texts without HTML entities: its catalog writes `&amp;` for `&`."""

__all__ = ["unescape"]


def unescape(text: str) -> str:
    """Return a text without HTML entities.

    Args:
        text: The text.
    """
    if "&" not in text:
        return text
    from html import unescape as unescaped  # noqa: PLC0415 - a slow import, and few texts have an entity

    return unescaped(text)
