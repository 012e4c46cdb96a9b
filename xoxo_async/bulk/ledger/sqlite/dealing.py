"""What one transaction does with the voucher codes it is told: merge them, mark them, keep them, or raise an alarm."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.lines import Change, Delivery, LedgerLine, LineState
from xoxo_async.bulk.ledger.sealing import CodeBox
from xoxo_async.bulk.ledger.sqlite.marks import Claim, CodeMarks
from xoxo_async.bulk.ledger.sqlite.statements import ALARM, Move, read_codes, read_lines, write_codes
from xoxo_async.bulk.ledger.vouchers import Deal, StoredCode, clean, codes_of, deal

__all__ = ["Dealing"]


class _Quantity(msgspec.Struct):
    quantity: int = 1


class _Hand(NamedTuple):
    """One line's codes in this transaction: what it held, what each answer listed, and what it holds now."""

    kept: tuple[StoredCode, ...]
    answers: tuple[list[StoredCode], ...]
    pieces: int
    dealt: Deal
    change: Change


_quantity: Final = msgspec.json.Decoder(_Quantity).decode
_encode: Final = msgspec.json.Encoder().encode


class Dealing:
    """The voucher codes of one transaction.

    A code belongs to the line that listed it first. Where another line's order lists it too, that line does not get
    it: one of the two answers is wrong, and only a person can find out which.

    Args:
        connection: In a transaction.
        box: Seals codes; None keeps none.
        marks: Knows which line has which code.
    """

    def __init__(self, connection: sqlite3.Connection, box: CodeBox | None, marks: CodeMarks) -> None:
        self._connection: Final = connection
        self._box: Final = box
        self._marks: Final = marks
        self._kept: Final[dict[int, tuple[StoredCode, ...]]] = {}
        self._hands: Final[dict[int, _Hand]] = {}
        self._asked: _Hand | None = None

    def read(self, seqs: Collection[int]) -> None:
        """Read what some lines hold; lines that hold nothing need not be named.

        Args:
            seqs: Their numbers.
        """
        if self._box is None or not seqs:
            return
        for seq, stored in read_codes(self._connection, seqs).items():
            self._kept[seq] = codes_of(self._box.open(stored, seq))

    def merge(self, change: Change, line: LedgerLine, *, anew: bool = False) -> Change:
        """Return a fact with what the line holds after it, whatever the fact itself says of that.

        Args:
            change: A fact that comes with codes.
            line: Its line, as it stands.
            anew: Whether the fact names another order than the line has: then what the line holds is of no account.
        """
        before = None if anew else self._hands.get(line.seq)
        kept = before.kept if before else () if anew else self._kept.get(line.seq, ())
        told, pieces = _told(change), _quantity(line.body).quantity
        answers = (*before.answers, told) if before else (told,)
        dealt = _dealt(kept, answers, pieces) if before else deal(kept, told, pieces)
        delivery = _delivery(change.delivery, dealt, pieces)
        if delivery is not change.delivery or dealt.held != change.held:
            change = msgspec.structs.replace(change, delivery=delivery, held=dealt.held)
        self._asked = _Hand(kept, answers, pieces, dealt, change)
        return change

    def lose(self, seq: int) -> None:
        """Forget the codes of a line that has lost its order; what is stored of them goes with `drop_codes`.

        Args:
            seq: The line's number.
        """
        self._kept.pop(seq, None)
        self._hands.pop(seq, None)

    def keep(self, line: LedgerLine) -> None:
        """Take what `merge` found last: the fact was accepted, and the order exists.

        Args:
            line: Its line.
        """
        if self._asked is not None and line.state is LineState.PLACED:
            self._hands[line.seq] = self._asked
        self._asked = None

    def settle(self, lines: Mapping[int, LedgerLine]) -> list[Move]:
        """Mark and keep the codes of this transaction, once its moves are written.

        Args:
            lines: The lines as they stand.

        Returns:
            What is still to be written: an alarm for everything that only a person can judge.
        """
        if not self._hands:
            return []
        self._marks.open_key(self._connection)
        refused: dict[Claim, int] = {}
        while found := self._claim():
            refused |= found
            self._deal_without(found)
        changed = [(seq, hand.dealt.codes) for seq, hand in self._hands.items() if hand.dealt.codes != hand.kept]
        if changed and self._box is not None:
            write_codes(self._connection, [(seq, self._box.seal(_encode(codes), seq)) for seq, codes in changed])
        return self._alarms(lines, refused)

    def dealt(self) -> dict[int, tuple[StoredCode, ...]]:
        """Return what the lines of this transaction hold."""
        return {seq: hand.dealt.codes for seq, hand in self._hands.items()}

    def _claim(self) -> dict[Claim, int]:
        """Mark what was dealt; return what another line has already."""
        dealt: list[Claim] = []
        undealt: list[Claim] = []
        for seq, hand in self._hands.items():
            dealt += self._claims(seq, hand.dealt.codes, hand.kept)
            if hand.dealt.trouble:
                # Codes that were listed and not dealt are marked for nobody. Those that are another line's may be why
                # there were too many.
                undealt += self._claims(seq, [code for told in hand.answers for code in told], hand.dealt.codes)
        refused = self._marks.take(self._connection, dealt) if dealt else {}
        return refused | (self._marks.of_others(self._connection, undealt) if undealt else {})

    def _claims(self, seq: int, codes: Sequence[StoredCode], known: Sequence[StoredCode]) -> list[Claim]:
        return [(self._marks.mark(code.name), seq) for code in codes if code.whole and code not in known]

    def _deal_without(self, refused: Mapping[Claim, int]) -> None:
        for seq in {seq for _, seq in refused}:
            hand = self._hands[seq]
            answers = tuple(
                [code for code in told if (self._marks.mark(code.name), seq) not in refused] for told in hand.answers
            )
            self._hands[seq] = hand._replace(answers=answers, dealt=_dealt(hand.kept, answers, hand.pieces))

    def _alarms(self, lines: Mapping[int, LedgerLine], refused: Mapping[Claim, int]) -> list[Move]:
        pairs = sorted({(seq, owner) for (_, seq), owner in refused.items()})
        owners = {line.seq: line for line in read_lines(self._connection, {owner for _, owner in pairs})}
        told = [(seq, f"a voucher code that {_named(owners[owner])} has: it stays there") for seq, owner in pairs]
        told += [(seq, hand.dealt.trouble) for seq, hand in self._hands.items() if hand.dealt.trouble]
        after: dict[int, LedgerLine] = {}
        for seq, _ in pairs:
            hand = self._hands[seq]
            delivery = _delivery(lines[seq].delivery, hand.dealt, hand.pieces)
            after[seq] = msgspec.structs.replace(lines[seq], held=hand.dealt.held, delivery=delivery)
        moves: list[Move] = []
        for seq, text in told:
            alarm = f"{_named(lines[seq])} lists {text}"
            line = msgspec.structs.replace(after.get(seq, lines[seq]), error=alarm)
            moves.append(Move.of(lines[seq], line, ALARM, self._hands[seq].change, reason=alarm))
        return moves


def _told(change: Change) -> list[StoredCode]:
    """Return the codes that a fact comes with."""
    try:
        return clean(codes_of(change.codes))
    except (msgspec.MsgspecError, UnicodeError):
        return []  # an order is not lost over codes that are no text


def _dealt(kept: tuple[StoredCode, ...], answers: Sequence[list[StoredCode]], pieces: int) -> Deal:
    """Return what a line holds after some answers, one after another."""
    dealt = Deal(kept, 0, "")
    for told in answers:
        after = deal(dealt.codes, told, pieces)
        dealt = after if after.trouble or not dealt.trouble else after._replace(trouble=dealt.trouble)
    return dealt


def _delivery(said: Delivery, dealt: Deal, pieces: int) -> Delivery:
    """Return whether an order is delivered: by its codes, unless it was cancelled."""
    if said is Delivery.CANCELLED:
        return said
    return Delivery.DELIVERED if dealt.held >= pieces else Delivery.PENDING


def _named(line: LedgerLine) -> str:
    return f"order {line.order_id} (row {line.row}, key {line.key})"
