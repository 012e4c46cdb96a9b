"""Trouble on demand: scripted or seeded faults, for testing what your own code does when an answer is lost.

A rule says what happens to which requests:

    sandbox.script("commit_then_reset", operation="placeOrder", first=1)     # booked, its answer lost
    sandbox.script("throttle", operation="getVouchers", every=10)
    sandbox.script("timeout_after_commit", po_number="PO-7", seconds=5)
    sandbox.script("late_commit", nth=3, seconds=0.2)     # placeOrder, unless another operation is named

A mix draws at random, for a seed always the same: `Sandbox(faults=Faults(mix={"commit_then_reset": 0.02}, seed=3))`.
For `xoxo sandbox --faults FILE` both stand in a JSON file:

    {"rules": [{"kind": "throttle", "operation": "getVouchers", "every": 10}], "mix": {"html_502": 0.01}, "seed": 3}

| kind | booked | what the client sees |
|---|---|---|
| reset_before_commit | no | the connection breaks |
| commit_then_reset | yes | the connection breaks |
| timeout_before | no | silence for `seconds`, then the connection breaks |
| timeout_after_commit | yes | silence for `seconds`, then the connection breaks |
| late_commit | yes, `seconds` later | the connection breaks at once |
| error_5xx_before | no | HTTP `status` (500), no error id |
| error_5xx_after | yes | HTTP `status` (502), `error_id` (PLE10035) |
| html_502, html_502_after | no, yes | an edge server's HTML page |
| truncated | yes | half of the body |
| garbage | yes | bytes that are no HTTP |
| not_json | yes | HTTP 200, text that is no JSON |
| empty_body | yes | HTTP 200 without a body |
| wrong_types | yes | the order, its fields of wrong types |
| no_order_id | yes | the order without its orderId |
| short_answer | yes | the order, pending, with half of its vouchers; a look-up has them all |
| error_in_200 | no | HTTP 200 with a failure inside |
| duplicate_answer | yes | PLE10004, as if the poNumber were used |
| lagging_lookup | - | look-ups say PLE10016 for `seconds` after the order; name the operation getOrderDetails |
| throttle | no | the rate limit's body, `seconds` of penalty |
| revoke_token | no | 401 invalid_token; every token issued so far is dead |
| oversize | yes | 64 MB of JSON |
| gzip_bomb | yes | a small body that unpacks to 512 MB |
| deep_json, bad_utf8 | yes | JSON nested 100,000 deep; bytes that are no UTF-8 |
| redirect_307 | no | a redirect to another host |
| slow_body | yes | the body, a byte at a time over `seconds` |
| restart | no | the connection breaks, and nobody listens for `seconds`; then the same books again |
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.sandbox.handlers import HANDLERS
from xoxo_async.sandbox.handlers_flat import FLAT_HANDLERS

__all__ = ["AFTER_COMMIT", "KINDS", "FaultError", "Faults", "Rule", "load_faults"]

AFTER_COMMIT: Final = frozenset(
    {
        "commit_then_reset",
        "timeout_after_commit",
        "error_5xx_after",
        "html_502_after",
        "truncated",
        "garbage",
        "not_json",
        "empty_body",
        "wrong_types",
        "no_order_id",
        "short_answer",
        "duplicate_answer",
        "oversize",
        "gzip_bomb",
        "deep_json",
        "bad_utf8",
        "slow_body",
    }
)
"""Faults that come after the request was carried out."""

KINDS: Final = AFTER_COMMIT | {
    "reset_before_commit",
    "timeout_before",
    "late_commit",
    "error_5xx_before",
    "html_502",
    "error_in_200",
    "lagging_lookup",
    "throttle",
    "revoke_token",
    "redirect_307",
    "restart",
}


OPERATIONS: Final = frozenset(HANDLERS) | frozenset(FLAT_HANDLERS)
_NOT_DRAWN: Final = frozenset({"lagging_lookup", "restart"})


class FaultError(ValueError):
    """A fault rule makes no sense; the message names the rule and the field."""


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One scripted fault.

    Attributes:
        kind: What happens; see the table.
        operation: To which operation; empty is all.
        first: To the first so many matching requests, or
        nth: to the n-th alone, or
        every: to every n-th. None of the three: to all.
        po_number: To this poNumber alone.
        seconds: How long, for kinds that take time.
        status: The HTTP status, for 5xx kinds.
        error_id: The error id, for error_5xx_after.
    """

    kind: str
    operation: str = "placeOrder"
    first: int | None = None
    nth: int | None = None
    every: int | None = None
    po_number: str | None = None
    seconds: float = 1.0
    status: int | None = None
    error_id: str = "PLE10035"
    seen: int = msgspec.field(default=0, name="_seen")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"kind: {self.kind!r} is unknown; known are {', '.join(sorted(KINDS))}")
        if self.operation and self.operation not in OPERATIONS:
            raise FaultError(f"operation: {self.operation!r} is unknown; known are {', '.join(sorted(OPERATIONS))}")
        if not 0 <= self.seconds < 86400:
            raise FaultError("seconds: must be from 0 to a day")
        if self.status is not None and not 400 <= self.status < 600:
            raise FaultError("status: must be an HTTP error status")
        for name in ("first", "nth", "every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise FaultError(f"{name}: must be from 1")

    def hits(self, operation: str, po_number: str) -> bool:
        """Count a request, and return whether this rule is for it."""
        if self.operation not in {"", operation} or self.po_number not in {None, po_number}:
            return False
        self.seen += 1
        if self.first is not None:
            return self.seen <= self.first
        if self.nth is not None:
            return self.seen == self.nth
        return self.every is None or self.seen % self.every == 0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[dict[str, object]] = []
    mix: dict[str, float] = {}
    seed: int = 0


class Faults:
    """The rules in force, and the mix.

    Args:
        rules: Scripted faults; the first that hits is taken.
        mix: The share of placeOrder requests for each kind.
        seed: Decides about the mix.

    Raises:
        FaultError: When a kind is unknown, or the shares make no sense.
    """

    def __init__(self, rules: tuple[Rule, ...] = (), mix: Mapping[str, float] | None = None, seed: int = 0) -> None:
        self.rules: Final = list(rules)
        self._mix: Final = dict(mix or {})
        self._dice: Final = random.Random(seed)
        for kind, share in self._mix.items():
            Rule(kind=kind)
            if kind in _NOT_DRAWN:
                raise FaultError(f"mix: {kind} befalls no single order: name it in a rule")
            if not 0 <= share <= 1:
                raise FaultError(f"mix: the share of {kind} must be from 0 to 1")
        if sum(self._mix.values()) > 1:
            raise FaultError("mix: the shares add up to more than 1")

    def pick(self, operation: str, po_number: str) -> Rule | None:
        """Return what befalls a request, None for nothing."""
        for rule in self.rules:
            if rule.hits(operation, po_number):
                return rule
        if operation != "placeOrder" or not self._mix:
            return None
        draw = self._dice.random()
        for kind, share in self._mix.items():
            draw -= share
            if draw < 0:
                return Rule(kind=kind, seconds=0.2)
        return None


def load_faults(path: str | Path) -> Faults:
    """Read a faults file.

    Args:
        path: A JSON file; see the module's docstring.

    Raises:
        FaultError: When it cannot be read, naming rule and field.
    """
    try:
        file = msgspec.json.decode(Path(path).read_bytes(), type=_File)
    except OSError as error:
        raise FaultError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FaultError(f"{path}: {error}") from None
    rules = []
    for number, fields in enumerate(file.rules, 1):
        try:
            rules.append(msgspec.convert(fields, Rule))
        except (msgspec.ValidationError, FaultError) as error:
            raise FaultError(f"{path}: rule {number}: {error}") from None
    return Faults(tuple(rules), file.mix, file.seed)
