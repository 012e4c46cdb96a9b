"""The words of a report: what states, facts and error ids mean, what to do, and what stays hidden; no I/O."""

import re
from typing import Final, NamedTuple

from xoxo_async.bulk.ledger.kinds import JobKind
from xoxo_async.bulk.ledger.lines import Evidence, LineState
from xoxo_async.effects import EffectClass
from xoxo_async.errors import (
    ERROR_IDS,
    BadRequestError,
    DenominationError,
    DuplicatePoNumberError,
    InsufficientFundsError,
    NotAllowedError,
    NotFoundError,
    OutOfStockError,
    QuantityError,
    RefusedError,
    ServerError,
)

__all__ = [
    "ADVICE_ON_DECIDED",
    "ENDS",
    "MARKER",
    "KindWords",
    "advice_on",
    "fact_words",
    "is_personal",
    "is_secret",
    "masked",
    "masked_po",
    "meaning_of",
    "open_words",
    "vendor_words",
    "words_of",
]

MARKER: Final = "<!-- xoxo report 1 -->"
"""What stands at the beginning of every report: a new one replaces such a file only."""

_ADDRESS: Final = re.compile(r"([^\s@<>\"'(),;:]{1,64})@([^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:]+)")
_DIGITS: Final = re.compile(r"\+?\d[\d\s().-]{7,}\d")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.+-]+)?|\d{1,2}[./-]\d{1,2}[./-]\d{4}")
_WORD: Final = re.compile(r"[^\W\d_]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SECRETS: Final = (
    *("code", "codes", "voucher", "vouchers", "password", "passwort", "secret", "token", "link", "card", "phone"),
    *("mobile", "mail", "email", "pins"),
)
"""Names of columns with something that works as cash, or that reaches a person. Also as an end of a longer word."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_HASH: Final = re.compile(r"-[0-9a-f]{20}\b")
_LEAST: Final = 6
"""Characters of a key by which a cut poNumber still shows it."""
_CLASS: Final = re.compile(r"^[A-Za-z]+Error: ")
"""The name of an error class, which the ledger keeps before the words."""
_MANY: Final = 300


def masked(text: str) -> str:
    """Return a text without control characters, and without the names of e-mail addresses: `a***@example.com`.

    Args:
        text: The text.
    """
    return _ADDRESS.sub(lambda found: f"{found[1][0]}***@{found[2]}", _CONTROL.sub(" ", text))


def vendor_words(text: str) -> str:
    """Return what the vendor wrote, masked: also long numbers, which may be phone numbers or codes.

    Args:
        text: The vendor's words.
    """
    said = _CLASS.sub("", text)
    short = said if len(said) <= _MANY else said[:_MANY] + "…"
    return _DIGITS.sub("***", masked(short[:1].upper() + short[1:]))


def is_personal(value: str) -> bool:
    """Return whether a value looks as if it named one person: an e-mail address or a phone number.

    Args:
        value: The value.
    """
    if _DATE.fullmatch(value.strip()):
        return False
    return _ADDRESS.search(value) is not None or _DIGITS.fullmatch(value.strip()) is not None


def is_secret(name: str) -> bool:
    """Return whether a column holds codes, PINs, passwords, links, or what reaches a person, by its name.

    Args:
        name: The name of the column.
    """
    words = _WORD.findall(_HUMP.sub(" ", name).casefold())
    return any(word == "pin" or word.startswith(_SECRETS) or word.endswith(_SECRETS) for word in words)


def masked_po(text: str, key: str) -> str:
    """Return a text without the e-mail address that a poNumber in it shows: `march-a***-8d316a99a411ccf1153a`.

    A derived poNumber shows its key in letters, digits and hyphens. The hash at its end stays, and finds the order.

    Args:
        text: The poNumber, or a text with it.
        key: The key of its row.
    """
    if _ADDRESS.search(key) is None:
        return text
    shown = "-".join(_PLAIN.findall(key))
    for length in range(len(shown), _LEAST - 1, -1):  # a long poNumber has only the beginning of its key
        if f"{shown[:length]}-" in text and (length == len(shown) or _HASH.search(text)):
            return text.replace(shown[:length], f"{shown[0]}***")
    return text.replace(shown, f"{shown[0]}***") if shown else text


_OPEN: Final = {
    "manual": "A person decides: look for the poNumber in the vendor's dashboard, then use `xoxo bulk resolve`.",
    "conflict": "The poNumber may be used already. A look-up settles it: `xoxo bulk reconcile`.",
    "unknown": "The order may exist. A look-up settles it: `xoxo bulk reconcile`.",
    "sending": "The order is under way. If no process is at work, `xoxo bulk resume` settles it.",
    "pending": "The order is placed, and its codes are still to come: `xoxo bulk reconcile` collects them.",
    "cancelling": "The cancellation of these points is in doubt: look in the vendor's dashboard, then settle it.",
    "cancelled": "The order is placed, and the vendor cancelled its delivery: ask the vendor for the money.",
}
"""What the states of lines that are not settled mean, and who acts."""

_OPEN_UNKEYED: Final = {
    "manual": "A person decides: look in the vendor's dashboard, then use `xoxo bulk resolve`.",
    "unknown": "No call can tell what became of it: the next run leaves it to a person.",
    "sending": "The call is under way. If no process is at work, the next run leaves it to a person.",
    "pending": "Not all of its links came, and no call gives the others: look in the vendor's dashboard, then use"
    " `xoxo bulk resolve --done`.",
    "cancelling": _OPEN["cancelling"],
}
"""The same for points, links and mails: no call looks them up. Points that were cancelled are settled."""

_EVIDENCE: Final[dict[str, str]] = {
    "": "The line was not sent.",
    Evidence.NOT_PROCESSED: "An attempt was taken back: nothing was processed.",
    Evidence.SLOT_IN_HAND: "The line was claimed, and may be under way.",
    Evidence.ANSWERED_PLACED: "The vendor's answer names the order.",
    Evidence.ANSWERED_DONE: "The vendor's answer says that it is done, and names no id.",
    Evidence.REFUSED_NO_ORDER: "The vendor refused, and no order can exist after that error id.",
    Evidence.REFUSED_UNCLEAR: "The vendor refused, and an order may exist all the same.",
    Evidence.OUTCOME_LOST: "The answer was lost.",
    Evidence.SENDER_DIED: "The process that sent it ended before the answer.",
    Evidence.LOOKUP_MATCHED: "A look-up by poNumber found the order, and every field matches.",
    Evidence.LOOKUP_MISMATCHED: "A look-up found another order under the poNumber.",
    Evidence.LOOKUP_ABSENT: "A look-up found no order.",
    Evidence.LOOKUPS_EXHAUSTED: "Look-ups could not settle it.",
    Evidence.NO_LOOKUP: "The answer was lost, and no call can tell what became of it.",
    Evidence.BALANCE_SEEN: "What the recipient holds was read, for the person who decides.",
    Evidence.HISTORY_ABSENT: "Look-ups and the order history show no order.",
    Evidence.LATE_PROOF: "Proof of the order came after a person had decided.",
    Evidence.DELIVERY_SEEN: "A look-up saw that the codes have come.",
    Evidence.ORDER_OF_THIS_SEND: "A look-up found the order, and its date is that of the send.",
    Evidence.ANSWER_DOUBTED: "The answer may belong to another request.",
    Evidence.ORDER_SINCE_PLAN: "A look-up found the order, and it is not older than the job.",
    Evidence.CONNECTION_DOUBTED: "The connection that named the order was not in step.",
    Evidence.LEDGER_RESTORED: "The ledger replaces another one, so the line may have been sent.",
    Evidence.LEDGER_COPIED: "The ledger is a copy, so the line may have been sent.",
    Evidence.UNWANTED: "The input no longer has the row.",
    Evidence.PERSON_PLACED: "A person named the order.",
    Evidence.PERSON_CORRECTED: "A person corrected the order.",
    Evidence.PERSON_RESEND: "A person decided to send it again.",
    Evidence.PERSON_REJECTED: "A person decided that there is no order.",
    Evidence.WITHDRAWN: "The line was withdrawn before it was sent.",
    Evidence.CANCEL_ASKED: "The points are being cancelled.",
    Evidence.CANCEL_DONE: "The vendor cancelled the points.",
    Evidence.CANCEL_REFUSED: "The vendor refused to cancel the points.",
    Evidence.CANCEL_LOST: "The answer to the cancellation was lost.",
    Evidence.PERSON_CANCELLED: "A person found the points cancelled.",
    Evidence.PERSON_KEPT: "A person found that the points were not cancelled.",
    Evidence.PERSON_CLOSED: "A person closed it: nothing of it is still to come.",
}
"""What the facts mean that move lines."""

_EVIDENCE_UNKEYED: Final[dict[str, str]] = {
    Evidence.ANSWERED_PLACED: "The vendor's answer names the id.",
    Evidence.REFUSED_NO_ORDER: "The vendor refused, and did nothing.",
    Evidence.REFUSED_UNCLEAR: "The vendor refused, and may have done it all the same.",
    Evidence.LATE_PROOF: "A person named the id later.",
    Evidence.PERSON_PLACED: "A person found that it was done.",
    Evidence.PERSON_CORRECTED: "A person corrected the id.",
    Evidence.PERSON_REJECTED: "A person decided that it was not done.",
}
"""The same for points, links and mails, as far as it differs."""


class KindWords(NamedTuple):
    """What a report says of the rows of one kind of job.

    Attributes:
        issued: What an issued row has.
        pending: What a pending row has.
        all_issued: The state of a job whose rows are all issued.
        title: What the report is called.
        piece: What a receiver gets.
        line: What a ledger counts.
        name: What a line is found by.
        id: What the vendor names a line by.
        product: What a line asks for.
        not_placed: The rows that cost nothing.
    """

    issued: str
    pending: str
    all_issued: str
    title: str
    piece: str
    line: str = "row"
    name: str = "Reference"
    id: str = "unique id"
    product: str = "Campaign"
    not_placed: str = "Not sent"


_KINDS: Final = {
    JobKind.ORDERS: KindWords(
        "placed, codes have come",
        "placed, codes to come",
        "Every row is issued, and its codes have come.",
        "Voucher report",
        "voucher",
        line="order",
        name="poNumber",
        id="order",
        product="Product",
        not_placed="Not placed",
    ),
    JobKind.POINTS: KindWords(
        "points were sent",
        "none",
        "Every row has got its points.",
        "Points report",
        "credit",
        product="Kind",
        not_placed="Not sent, or cancelled later",
    ),
    JobKind.LINKS: KindWords(
        "links have come", "not all links came", "Every row has got its links.", "Links report", "link"
    ),
    JobKind.LINK_MAILS: KindWords(
        "mail was sent", "none", "Every address has been mailed its link.", "Report of mailed links", "mail"
    ),
}


def words_of(kind: JobKind) -> KindWords:
    """Return what a report says of the rows of a kind of job.

    Args:
        kind: What the job is of.
    """
    return _KINDS[kind]


def open_words(kind: JobKind) -> dict[str, str]:
    """Return what the states of lines that are not settled mean, those for a person first.

    Args:
        kind: What the job is of.
    """
    return _OPEN if kind.effect is EffectClass.KEYED else _OPEN_UNKEYED


def fact_words(fact: str, kind: JobKind) -> str:
    """Return what a fact means that moved a line; empty for a fact that is not known.

    Args:
        fact: Its name in the ledger.
        kind: What the job is of.
    """
    known = _EVIDENCE.get(fact, "")
    return known if kind.effect is EffectClass.KEYED else _EVIDENCE_UNKEYED.get(fact, known)


ENDS: Final[dict[str, str]] = {
    "": "done",
    "funds": "the account's funds are used up",
    "credentials": "the credentials were refused",
    "rate": "the vendor held it back for too long",
    "unreachable": "the vendor could not be reached",
    "budget": "the budget is spent",
    "ledger": "the ledger failed",
    "job": "the job was paused",
    "interrupted": "a person stopped it",
    "refusals": "more rows were refused than it may lose",
}
"""Why a run ended; an error that ended it is named by its class."""

_ADVICE: Final[dict[type[Exception], str]] = {
    BadRequestError: "Check the row's fields: e-mail address, phone number, details of the product.",
    DenominationError: "Take a value that the catalog lists: `xoxo catalog vouchers`.",
    DuplicatePoNumberError: "Look the poNumber up in the vendor's dashboard before anything is sent again.",
    InsufficientFundsError: "Add money to the account.",
    NotAllowedError: "Ask the vendor to activate the product, or the right to buy it, for this account.",
    NotFoundError: "Check the product id: `xoxo catalog vouchers`.",
    OutOfStockError: "Wait until the product is in stock, or take another one.",
    QuantityError: "Split the row: one order holds no more pieces.",
    RefusedError: "Read the vendor's words, and ask the vendor.",
    ServerError: "Try again later; if it stays so, ask the vendor.",
}

ADVICE_ON_DECIDED: Final = (
    "Nothing, as a person has decided. Only if a row is wanted after all: put it into a new file, under a key that is"
    " not used yet, and run that."
)
"""What to do about rows that a person rejected: as a rule they are not wanted, so nobody is told to order them."""


def meaning_of(error_id: str) -> str:
    """Return what an error id means; empty if that is not documented.

    Args:
        error_id: The vendor's error id.
    """
    known = ERROR_IDS.get(error_id)
    return "" if known is None else f"{known.meaning[0].upper()}{known.meaning[1:]}."


def advice_on(error_id: str, state: LineState, kind: JobKind) -> str:
    """Return what to do about refusals.

    Args:
        error_id: The vendor's error id.
        state: The state of the rows. If they are rejected for certain, a corrected row needs a key of its own.
        kind: What the job is of.
    """
    known = ERROR_IDS.get(error_id)
    cause = "Read the vendor's words, and ask the vendor." if known is None else _ADVICE.get(known.error, "")
    if state is LineState.REJECTED:
        return f"{cause} Then put the rows into a new file, under keys that are not used yet, and run that."
    if state is LineState.MANUAL or kind.effect is EffectClass.UNKEYED:
        return f"A person decides about each row: `xoxo bulk resolve`. {cause}"
    return f"First settle whether orders exist: `xoxo bulk reconcile`. {cause}"
