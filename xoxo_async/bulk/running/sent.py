"""How one call of a run ended."""

from collections.abc import Sequence

import msgspec

from xoxo_async.bulk.ledger.lines import Change
from xoxo_async.errors import XoxoError

__all__ = ["Sent"]


class Sent(msgspec.Struct, frozen=True):
    """How one call ended.

    Attributes:
        changes: For each of its lines the fact that its answer, or the lack of one, proves.
        error: What the attempt raised; None if it was answered with a success.
    """

    changes: Sequence[Change]
    error: XoxoError | None
