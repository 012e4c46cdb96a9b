"""Decide which line gets which voucher code of the answers in one transaction; no I/O.

A code belongs to the line whose order listed it first. If the order of another line lists it too, that line does not
get it: one of the two answers is wrong, and only a person can find out which.

A store does its part in this order: `give` what lines hold, `merge` and `keep` while facts are decided; then take the
marks of `claims`, and pass refused claims to `refuse`, until none is refused; then write `codes_to_keep` and `alarms`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.lines import Change, Delivery, Evidence, LedgerLine, LineState
from xoxo_async.bulk.ledger.moves import ALARM, Move
from xoxo_async.bulk.ledger.vouchers import Deal, StoredCode, clean, codes_of, deal

__all__ = ["Claim", "Claims", "Dealing"]

Claim = tuple[int, int]
"""A code's mark, and the line whose order listed the code."""


class Claims(NamedTuple):
    """The codes that lines claim.

    Attributes:
        dealt: Codes that lines are to get. The store keeps each mark for the line that claims it first.
        listed: Codes that an order listed and did not get. The store only returns which of them are another line's:
            they may be the reason for an order with too many codes.
    """

    dealt: list[Claim]
    listed: list[Claim]


class _Quantity(msgspec.Struct):
    quantity: int = 1


class _Hand(msgspec.Struct, frozen=True, gc=False):
    """One line's codes in this transaction: what it held, what each answer listed, and what it holds now."""

    kept: tuple[StoredCode, ...]
    answers: tuple[list[StoredCode], ...]
    pieces: int
    dealt: Deal
    change: Change


# Python 3.11 finds a member of an enum ten times slower than a name of the module, and these are read for each line.
_PLACED: Final = LineState.PLACED
_DELIVERED: Final = Delivery.DELIVERED
_PENDING: Final = Delivery.PENDING
_CANCELLED: Final = Delivery.CANCELLED
_DONE: Final = Evidence.ANSWERED_DONE

_quantity: Final = msgspec.json.Decoder(_Quantity).decode


class Dealing:
    """The voucher codes of one transaction.

    Args:
        mark: Returns the mark of a code's name, see `CodeMarks.mark`.
    """

    def __init__(self, mark: Callable[[str], int]) -> None:
        self._mark: Final = mark
        self._kept: Final[dict[int, tuple[StoredCode, ...]]] = {}
        self._hands: Final[dict[int, _Hand]] = {}
        self._refused: Final[dict[Claim, int]] = {}
        self._merged: _Hand | None = None

    def give(self, stored: Mapping[int, bytes]) -> None:
        """Set the codes that lines hold; lines without codes may be left out.

        Args:
            stored: The codes as the ledger keeps them, opened, by line.
        """
        self._kept.update((seq, codes_of(codes)) for seq, codes in stored.items())

    def merge(self, change: Change, line: LedgerLine, *, anew: bool = False) -> Change:
        """Return a fact with `held` and `delivery` as counted from the line's codes.

        Args:
            change: A fact that comes with codes.
            line: Its line, as it stands.
            anew: Whether the fact names another order than the line has: then the codes that the line holds do not
                count.
        """
        before = None if anew else self._hands.get(line.seq)
        kept = before.kept if before else () if anew else self._kept.get(line.seq, ())
        listed, pieces = _listed_codes(change), _quantity(line.body).quantity
        answers = (*before.answers, listed) if before else (listed,)
        dealt = _with_trouble(_dealt(kept, answers, pieces) if before else deal(kept, listed, pieces), change)
        delivery = _delivery(change.delivery, dealt, pieces)
        if delivery is not change.delivery or dealt.held != change.held:
            change = msgspec.structs.replace(change, delivery=delivery, held=dealt.held)
        self._merged = _Hand(kept, answers, pieces, dealt, change)
        return change

    def lose(self, seq: int) -> None:
        """Drop the codes of a line that has lost its order.

        Args:
            seq: The line's number.
        """
        self._kept.pop(seq, None)
        self._hands.pop(seq, None)

    def keep(self, line: LedgerLine) -> None:
        """Keep the result of the last `merge`: the fact was accepted, and the order exists.

        Args:
            line: Its line.
        """
        if self._merged is not None and line.state is _PLACED:
            self._hands[line.seq] = self._merged
        self._merged = None

    def vet(self, found: Mapping[int, bytes], lines: Mapping[int, LedgerLine]) -> None:
        """Deal codes that the vendor lists now, for placed lines of a ledger that keeps no codes.

        Args:
            found: The codes by line: JSON as in `Change.codes`.
            lines: The lines, as read.
        """
        for seq, line in lines.items():
            change = Change(seq=seq, evidence=Evidence.DELIVERY_SEEN, epoch=line.epoch, codes=found[seq])
            self.merge(change, line)
            self.keep(line)

    @property
    def is_empty(self) -> bool:
        """Whether no fact listed codes: then there is nothing to claim, keep or report."""
        return not self._hands

    def claims(self) -> Claims:
        """Return the marks to be taken for what was dealt."""
        claims = Claims([], [])
        for seq, hand in self._hands.items():
            claims.dealt.extend(self._claims(seq, hand.dealt.codes, hand.kept))
            if hand.dealt.trouble:
                # Codes that were listed and not dealt get no mark.
                claims.listed.extend(
                    self._claims(seq, [code for listed in hand.answers for code in listed], hand.dealt.codes)
                )
        return claims

    def _claims(self, seq: int, codes: Sequence[StoredCode], without: Sequence[StoredCode]) -> list[Claim]:
        return [(self._mark(code.name), seq) for code in codes if code.whole and code not in without]

    def refuse(self, owners: Mapping[Claim, int]) -> None:
        """Deal again without codes of other lines; then take the marks of `claims` again.

        Args:
            owners: The claims that were refused, and the line that has the mark.
        """
        self._refused.update(owners)
        for seq in {seq for _, seq in owners}:
            hand = self._hands[seq]
            answers = tuple(
                [code for code in listed if (self._mark(code.name), seq) not in owners] for listed in hand.answers
            )
            dealt = _with_trouble(_dealt(hand.kept, answers, hand.pieces), hand.change)
            self._hands[seq] = msgspec.structs.replace(hand, answers=answers, dealt=dealt)

    def codes_to_keep(self) -> list[tuple[int, tuple[StoredCode, ...]]]:
        """Return the lines whose codes changed, with all their codes."""
        return [(seq, hand.dealt.codes) for seq, hand in self._hands.items() if hand.dealt.codes != hand.kept]

    def dealt(self) -> dict[int, tuple[StoredCode, ...]]:
        """Return the codes that the lines of this transaction hold."""
        return {seq: hand.dealt.codes for seq, hand in self._hands.items()}

    def owners(self) -> set[int]:
        """Return the lines that have codes which were refused to others; `alarms` names them."""
        return set(self._refused.values())

    def alarms(self, lines: Mapping[int, LedgerLine], owners: Mapping[int, LedgerLine]) -> list[Move]:
        """Return the alarms about codes that only a person can judge.

        Args:
            lines: The lines of this transaction, as they stand.
            owners: The lines of `owners`.
        """
        pairs = sorted({(seq, owner) for (_, seq), owner in self._refused.items()})
        texts = [
            (seq, f"a {_of_what(lines[seq])} that {_named(owners[owner])} has: it stays there") for seq, owner in pairs
        ]
        texts += [(seq, hand.dealt.trouble) for seq, hand in self._hands.items() if hand.dealt.trouble]
        after: dict[int, LedgerLine] = {}
        for seq, _ in pairs:
            hand = self._hands[seq]
            delivery = _delivery(lines[seq].delivery, hand.dealt, hand.pieces)
            after[seq] = msgspec.structs.replace(lines[seq], held=hand.dealt.held, delivery=delivery)
        moves: list[Move] = []
        for seq, text in texts:
            alarm = f"{_named(lines[seq])} lists {text}"
            line = msgspec.structs.replace(after.get(seq, lines[seq]), error=alarm)
            moves.append(Move.of(lines[seq], line, ALARM, self._hands[seq].change, reason=alarm))
        return moves


def _listed_codes(change: Change) -> list[StoredCode]:
    """Return the codes that a fact comes with."""
    try:
        return clean(codes_of(change.codes))
    except (msgspec.MsgspecError, UnicodeError):
        return []  # the proof of the order counts even if its codes are no text


def _dealt(kept: tuple[StoredCode, ...], answers: Sequence[list[StoredCode]], pieces: int) -> Deal:
    """Return what a line holds after some answers, one after another."""
    dealt = Deal(kept, 0, "")
    for listed in answers:
        after = deal(dealt.codes, listed, pieces)
        dealt = after if after.trouble or not dealt.trouble else msgspec.structs.replace(after, trouble=dealt.trouble)
    return dealt


def _delivery(current: Delivery, dealt: Deal, pieces: int) -> Delivery:
    """Return whether an order is delivered: by its codes, unless it was cancelled."""
    if current is _CANCELLED:
        return current
    return _DELIVERED if dealt.held >= pieces else _PENDING


def _with_trouble(dealt: Deal, change: Change) -> Deal:
    """Add what an answer says of the links of a call that has no key: there is no look-up that could correct it."""
    if change.evidence is _DONE and change.error and not dealt.trouble:
        return msgspec.structs.replace(dealt, trouble=change.error)
    return dealt


def _of_what(line: LedgerLine) -> str:
    return "link" if line.order_id is None else "voucher code"


def _named(line: LedgerLine) -> str:
    if line.order_id is None:  # of links: the vendor gives them no order
        return f"row {line.row} (key {line.key})"
    return f"order {line.order_id} (row {line.row}, key {line.key})"
