"""What a template writes into an orders file, and its readers know again."""

from typing import Final

__all__ = ["EXAMPLE_KEY", "is_example", "label", "without_label"]

EXAMPLE_KEY: Final = "EXAMPLE: this row is not issued"
"""The key of the example. A row with it is left out of every file."""
_BETWEEN: Final = " · "


def is_example(key: object) -> bool:
    """Return whether a key is the example's. Case and blanks around it do not count.

    Args:
        key: The key of a row.
    """
    if not isinstance(key, str) or (len(key) < len(EXAMPLE_KEY) and key.isascii()):
        return False  # nearly every key
    return key.strip().casefold() == EXAMPLE_KEY.casefold()


def label(product_id: int, name: str) -> str:
    """Return a product as a list shows it: `1001 · Corner Shop`.

    Args:
        product_id: Its id.
        name: Its name.
    """
    return f"{product_id}{_BETWEEN}{name}"


def without_label(text: str) -> str:
    """Return the id of a product that was chosen from a list; any other text stays.

    Args:
        text: The text of a cell.
    """
    number, between, _ = text.partition(_BETWEEN)
    return number if between and number.isascii() and number.isdecimal() else text
