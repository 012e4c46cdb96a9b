"""`wire.untyped`: fields that no struct has, read on demand."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.wire import (
    RawReply,
    extra_fields,
)


@pytest.mark.parametrize("wrap", [bytes, RawReply])
def test_unknown_fields_can_be_reached(wrap: Any) -> None:
    """`extra_fields` reads them out of the raw answer, with exact numbers."""
    body = b'{"data": {"op": {"known": 1, "new": 1.10}}}'
    assert extra_fields(wrap(body), ("data", "op"), frozenset({"known"})) == {"new": Decimal("1.10")}
    assert extra_fields(wrap(body), ("data", "other"), frozenset()) == {}
    assert extra_fields(None, (), frozenset()) == {}
