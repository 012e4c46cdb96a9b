"""Faults on demand, scripted or random, to test what your own code does when an answer is lost.

A rule says which requests get which fault:

    sandbox.script("commit_then_reset", operation="placeOrder", first=1)     # the order is booked, its answer is lost
    sandbox.script("throttle", operation="getVouchers", every=10)
    sandbox.script("timeout_after_commit", po_number="PO-7", seconds=5)
    sandbox.script("late_commit", nth=3, seconds=0.2)     # for placeOrder, unless you name another operation

    sandbox.script("commit_then_reset", operation="sendBalance", email="jane@example.com")

A mix draws faults at random, for placeOrder unless you name another operation; the same seed draws the same ones:
`Sandbox(faults=Faults(mix={"commit_then_reset": 0.02}, seed=3))`.

`xoxo sandbox --faults FILE` reads both from a JSON file:

    {"rules": [{"kind": "throttle", "operation": "getVouchers", "every": 10}], "mix": {"html_502": 0.01}, "seed": 3}

The table says "the order" for whatever the operation does: points given or cancelled, links made or mailed.

| kind | booked | what the client sees |
|---|---|---|
| reset_before_commit | no | the connection breaks |
| commit_then_reset | yes | the connection breaks |
| timeout_before | no | no answer for `seconds`, then the connection breaks |
| timeout_after_commit | yes | no answer for `seconds`, then the connection breaks |
| late_commit | yes, `seconds` later | the connection breaks at once |
| error_5xx_before | no | HTTP `status` (500), no error id |
| error_5xx_after | yes | HTTP `status` (502), `error_id` (PLE10035) |
| html_502, html_502_after | no, yes | an edge server's HTML page |
| truncated | yes | the first half of the body, then the connection breaks |
| garbage | yes | bytes that are not HTTP |
| not_json | yes | HTTP 200 with text that is not JSON |
| empty_body | yes | HTTP 200 without a body |
| wrong_types | yes | the order, with fields of wrong types |
| no_order_id | yes | the order without its orderId; points without their unique_id |
| short_answer | yes | the order as pending, with half of its vouchers; half of the credits or links |
| bare_answer | yes | the success alone: no vouchers, no credits, no links |
| error_in_200 | no | HTTP 200 with a failure in the body: `status: 0`, `success: 0` or `error: true` |
| duplicate_answer | yes | PLE10004, as if the poNumber had been used before |
| lagging_lookup | - | look-ups say PLE10016 for `seconds` after the order; name the operation getOrderDetails |
| throttle | no | the refusal of the rate limit, with a penalty of `seconds` |
| revoke_token | no | 401 invalid_token; every access token issued so far stops working |
| oversize | yes | 64 MB of JSON |
| gzip_bomb | yes | a small body that unpacks to 512 MB |
| deep_json, bad_utf8 | yes | JSON nested 100,000 levels deep; bytes that are not UTF-8 |
| redirect_307 | no | a redirect to another host |
| slow_body | yes | the body, one byte at a time over `seconds` |
| restart | no | the connection breaks, nothing listens for `seconds`, then the server is back with the same books |
"""

import random
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec

from xoxo_async.sandbox.operations import OPERATIONS

__all__ = ["AFTER_COMMIT", "KINDS", "FaultError", "Faults", "Rule", "load_faults", "told_share"]

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
        "bare_answer",
        "duplicate_answer",
        "oversize",
        "gzip_bomb",
        "deep_json",
        "bad_utf8",
        "slow_body",
    }
)
"""The kinds that happen after the request was carried out: the order is booked."""

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
"""All kinds of fault."""

_TOLD: Final = {"slow_body": 1.0, "short_answer": 0.5, "bare_answer": 1.0, "no_order_id": 1.0}

_NOT_DRAWN: Final = frozenset({"lagging_lookup", "restart"})


def told_share(kind: str, operation: str) -> float:
    """Return of which share of the points or links of a call its answer tells, after a fault of `AFTER_COMMIT`.

    Args:
        kind: The kind of fault.
        operation: The operation.
    """
    if kind not in _TOLD:
        return 0.0
    if operation == "generateLink":
        # A link that is not in the answer is lost, while points are where they belong.
        return 0.0 if kind == "bare_answer" else _TOLD[kind]
    # The answer about mails has no list that could be short.
    return 1.0 if operation == "generateLinkEmail" else _TOLD[kind]


class FaultError(ValueError):
    """A fault rule is not valid. The message names the rule and the field."""


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One scripted fault.

    Attributes:
        kind: The kind of fault; see the table of this module.
        operation: The operation that gets the fault; empty means all operations.
        first: Only the first so many matching requests get it.
        nth: Only the n-th matching request gets it.
        every: Every n-th matching request gets it. Without `first`, `nth` and `every`, all of them get it.
        po_number: Only requests with this poNumber match.
        email: Only requests that name this e-mail address match: as receiver of an order, of points or of a link.
        seconds: The duration, for kinds that take time.
        status: The HTTP status, for 5xx kinds.
        error_id: The error id, for error_5xx_after.
        seen: How many matching requests came so far. The rule counts them itself.
    """

    kind: str
    operation: str = "placeOrder"
    first: int | None = None
    nth: int | None = None
    every: int | None = None
    po_number: str | None = None
    email: str | None = None
    seconds: float = 1.0
    status: int | None = None
    error_id: str = "PLE10035"
    seen: int = msgspec.field(default=0, name="_seen")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"kind: {self.kind!r} is unknown; known: {', '.join(sorted(KINDS))}")
        if self.operation and self.operation not in OPERATIONS:
            raise FaultError(f"operation: {self.operation!r} is unknown; known: {', '.join(sorted(OPERATIONS))}")
        if not 0 <= self.seconds < 86400:
            raise FaultError("seconds: must be at least 0 and less than a day")
        if self.status is not None and not 400 <= self.status < 600:
            raise FaultError("status: must be an HTTP error status")
        for name in ("first", "nth", "every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise FaultError(f"{name}: must be 1 or more")

    def hits(self, operation: str, po_number: str, emails: Collection[str] = ()) -> bool:
        """Count a request if it matches, and return whether it gets the fault."""
        if self.operation not in {"", operation} or self.po_number not in {None, po_number}:
            return False
        if self.email is not None and self.email.casefold() not in emails:
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
    operation: str = "placeOrder"


class Faults:
    """The rules of a sandbox, and its mix of random faults.

    Args:
        rules: Scripted faults. The first rule that matches decides, and rules come before the mix.
        mix: The share of the operation's requests that get each kind, from 0 to 1.
        seed: Fixes what the mix draws: the same seed draws the same faults.
        operation: The operation that the mix is for.

    Raises:
        FaultError: A kind or the operation is unknown, a share is not from 0 to 1, or the shares add up to more than 1.
    """

    def __init__(
        self,
        rules: tuple[Rule, ...] = (),
        mix: Mapping[str, float] | None = None,
        seed: int = 0,
        operation: str = "placeOrder",
    ) -> None:
        self.rules: Final = list(rules)
        self._mix: Final = dict(mix or {})
        self._dice: Final = random.Random(seed)
        self._operation: Final = operation
        for kind, share in self._mix.items():
            Rule(kind=kind, operation=operation)
            if kind in _NOT_DRAWN:
                raise FaultError(f"mix: {kind} is not a fault of one order: put it in a rule")
            if not 0 <= share <= 1:
                raise FaultError(f"mix: the share of {kind} must be from 0 to 1")
        if sum(self._mix.values()) > 1:
            raise FaultError("mix: the shares add up to more than 1")

    def pick(self, operation: str, po_number: str, emails: Collection[str] = ()) -> Rule | None:
        """Return the fault that a request gets, or None."""
        for rule in self.rules:
            if rule.hits(operation, po_number, emails):
                return rule
        if operation != self._operation or not self._mix:
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
        path: A JSON file, as the docstring of this module shows.

    Raises:
        FaultError: The file cannot be read or is not valid. The message names the rule and the field.
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
    return Faults(tuple(rules), file.mix, file.seed, file.operation)
