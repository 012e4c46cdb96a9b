"""The transition table, searched exhaustively: one line, two workers, a network that loses, delays and repeats.

What is searched is `decide` itself, in every world that can come about. A world is the line, two workers (each may die
at any point, or sleep through its lease and wake up), up to three messages in flight, and the vendor's books. Only what
a decision can see is told apart: attempts are none or some, epochs are current or stale, times are before or after the
settling time. So attempts and restarts are not bounded, and still there are few worlds.

Three vendors, since the documents leave open which is the real one:

* `refuses_repeats`: a repeated poNumber is refused, in whatever words, even those of a certain refusal; refusals may
  change from one moment to the next; look-ups lag without bound; requests arrive late without bound, at most once.
* `repeats_in_transit`: requests may also be repeated on the way; refusals are lasting, a duplicate is called one.
* `accepts_repeats`: every request that arrives buys a voucher. Safe with resend="never" however late requests arrive,
  and with resend="settled" when no request or look-up takes longer than the settling time.

A store states `SENDER_DIED` when its own proof of death holds. Each store has another proof. `lock`: the process that
held the ledger is gone, and sends nothing from then on. Otherwise a lease has ended: the sender may be asleep, and its
request leaves when it wakes up, within one settling time of the claim at most (`sleeps`).

More may happen, each in settings of its own:

* `stranger`: at any moment before the line's own order exists, somebody else orders under its poNumber. That order
  matches the line in everything the vendor tells, but it is older than the send that is refused because of it.
* `stranger_before`: somebody else ordered under the line's poNumber before the line was planned.
* `copies`: a backup of the ledger is taken at any moment and put back at any later one. Requests that are in flight
  then still arrive, and nobody hears their answers. With `LEDGER_RESTORED` a person says so. With `LEDGER_COPIED` the
  store finds it out: then an order that is not older than the job is the line's own (`ORDER_SINCE_PLAN`).
* `effect`: calls without a key (`UNKEYED`) have no look-up. Whoever asks for a line of theirs finds nothing, also where
  the vendor has booked it. An answer that says success may name no id. A person settles what is in doubt.
* `hasty`: a person decides at any moment by what the vendor's dashboard shows then, also while a request is on its way.
  Without it, a person waits until nothing is.
* `shifts`: an answer may name another line's order. It may come before the vendor has seen the request. At any later
  moment the connection may be found out. Its process then tells the ledger first what was answered, then the doubt.
"""

import gc
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.lines import Change, Evidence, LedgerLine, LineState, Rules
from xoxo_async.bulk.ledger.table import PROOFS, TRANSITIONS, Moment, Transition, decide
from xoxo_async.effects import EffectClass

__all__ = ["BIRTH", "NOW", "Search", "Setting", "changed", "in_state", "numbered"]

NOW: Final = 1_000.0
SETTLE: Final = 100.0
FINAL: Final = {LineState.PLACED, LineState.REJECTED, LineState.CANCELLED}
BIRTH: Final = LedgerLine(seq=1, key="k", po_number="po", digest="d", body="{}", row=1, epoch=1)
STRANGERS: Final = 8
"""The order that somebody else placed under the line's poNumber. The line's own orders count from 1."""
OTHERS: Final = 9
"""Another line's order, which an answer out of step names."""
NO_BACKUP: Final = -1
PUT_BACK: Final = -2

E = Evidence
S = LineState

_LOOKED_UP: Final = {E.LOOKUP_MATCHED.value, E.ORDER_OF_THIS_SEND.value, E.ORDER_SINCE_PLAN.value}
_ANSWERS: Final = PROOFS & {E.ANSWERED_PLACED, E.ANSWERED_DONE}
_LOST: Final = {E.OUTCOME_LOST, E.SENDER_DIED, E.LEDGER_RESTORED}


@dataclass(frozen=True)
class Setting:
    """A vendor, a store, the caller's rules, what may happen, and what is broken on purpose.

    Attributes of the store and of copies:
        copy_is: What the next holder says of a copy that was put back.
        dated: Whether `ORDER_SINCE_PLAN` is only said of an order that is not older than the job.
        lock: Whether the store's proof of death is the lock of a process; otherwise a lease that has ended.
        says_when: Whether the store says that nothing is sent after `SENDER_DIED`. Only a lock proves that.
        sleeps: Whether one settling time may pass while a sender sleeps between its claim and its request.
    """

    refuses_repeats: bool
    lasting_refusals: bool = False
    repeats_in_transit: bool = False
    bounded_delay: bool = False
    resend: str = "settled"
    restore: bool = False
    settle_s: float = SETTLE
    messages: int = 3
    workers: int = 2
    stranger: bool = False
    stranger_before: bool = False
    copies: bool = False
    copy_is: Evidence = E.LEDGER_RESTORED
    dated: bool = True
    lock: bool = False
    says_when: bool = False
    sleeps: bool = False
    spacing_s: float | None = None
    shifts: bool = False
    effect: EffectClass = EffectClass.KEYED
    hasty: bool = False
    table: tuple[Transition, ...] = TRANSITIONS
    intent_first: bool = True
    fenced: bool = True
    told_of_copies: bool = True
    unchecked: tuple[str, ...] = ()


class World(NamedTuple):
    """Everything that matters about one moment."""

    line: int
    workers: tuple[str, ...] = ()
    net: tuple[tuple[str, str, int], ...] = ()  # kind, epoch, and the order it names or the age of what it saw
    spent: int = 0
    visible: int = 0
    refuses: bool = False
    naked_send: bool = False
    stranger: bool = False
    first: str = ""  # what came first of the line's sends, where a stranger may be: "lost" or "refused"
    backup: int = NO_BACKUP
    wrong: str = ""  # an answer that named another line's order: "told", and "found" once that is known

    # Millions of worlds are made of others: these take a third of the time of `_replace`.

    def of_line(self, line: int) -> "World":
        """Return the world with another line."""
        return World(line, *self[1:])

    def of_net(self, net: tuple[tuple[str, str, int], ...]) -> "World":
        """Return the world with other messages in flight."""
        return World(self[0], self[1], net, *self[3:])


@dataclass
class Search:
    """Explores every world of a setting, and stops at the first that breaks an invariant."""

    setting: Setting
    lines: list[LedgerLine] = field(default_factory=list)
    numbers: dict[LedgerLine, int] = field(default_factory=dict)
    decided: dict[tuple[int, Evidence, bool, int], tuple[int, bool]] = field(default_factory=dict)
    aged: dict[int, int] = field(default_factory=dict)

    def run(self) -> tuple[str, int]:
        """Return the invariant that breaks, empty when none does, and how many worlds were seen."""
        gc.disable()  # it looks again and again at all worlds, which are no garbage: a tenth of the time
        try:
            return self.found()
        finally:
            gc.enable()

    def found(self) -> tuple[str, int]:
        """Do what `run` does: look at each world once, and go from there to those that may come next."""
        starts = [
            World(self.number(BIRTH), refuses=refuses, stranger=stranger)
            for refuses in {False, self.setting.lasting_refusals}
            for stranger in {False, self.setting.stranger_before}
        ]
        before: dict[World, list[World]] = {start: [] for start in starts}
        todo = deque(starts)
        while todo:
            world = todo.popleft()
            broken = self.broken(world)
            if broken and broken not in self.setting.unchecked:
                return broken, len(before)
            for after in self.steps(world):
                if after is world:  # nothing was taken
                    continue
                known = before.get(after)
                if known is not None:
                    known.append(world)
                    continue
                before[after] = [world]
                todo.append(after)
                if self.unproven(world, after):
                    return "I10", len(before)
        stuck = len(before) - len(self.can_end(before))
        return ("I5" if stuck else ""), len(before)

    def can_end(self, before: dict[World, list[World]]) -> set[World]:
        """Return the worlds from which a final state can still be reached."""
        reached = {world for world in before if self.lines[world.line].state in FINAL}
        todo = list(reached)
        while todo:
            for earlier in before[todo.pop()]:
                if earlier not in reached:
                    reached.add(earlier)
                    todo.append(earlier)
        return reached

    def broken(self, world: World) -> str:
        """Return the invariant that does not hold in a world, empty when all do."""
        line = self.lines[world.line]
        if world.spent > 1:
            return "I1"
        if line.state is S.PLACED:
            if line.order_id == OTHERS:
                return "I9" if world.wrong == "found" else ""
            if line.order_id == STRANGERS:
                return "" if world.first == "lost" else "I8"
            if not world.spent:
                return "I2"
        if line.state in {S.REJECTED, S.CANCELLED} and world.spent:
            return "I3"
        return "I4" if world.naked_send else ""

    def unproven(self, world: World, after: World) -> bool:
        """Return whether a line has lost an order that a look-up had proven."""
        line, later = self.lines[world.line], self.lines[after.line]
        proven = line.state is S.PLACED and line.evidence in _LOOKED_UP and world.backup == after.backup
        return proven and (later.state, later.order_id) != (S.PLACED, line.order_id)

    @property
    def strangers(self) -> bool:
        """Whether somebody else may order under the line's poNumber."""
        return self.setting.stranger or self.setting.stranger_before

    @property
    def has_key(self) -> bool:
        """Whether the line can be looked up."""
        return self.setting.effect is EffectClass.KEYED

    def has_room(self, world: World) -> bool:
        """Return whether another message may be in flight."""
        return len(world.net) < self.setting.messages

    # The ledger.

    def number(self, line: LedgerLine) -> int:
        """Return the number of a line, with everything rounded off that no decision can see."""
        line = msgspec.structs.replace(
            line,
            epoch=1,
            attempts=min(line.attempts, 1),
            lookups=min(line.lookups, 2),
            first_sent_at=None if line.first_sent_at is None else 0.0,
            last_sent_at=None if line.last_sent_at is None else 0.0,
        )
        if line not in self.numbers:
            self.numbers[line] = len(self.lines)
            self.lines.append(line)
        return self.numbers[line]

    def record(self, world: World, evidence: Evidence, *, stale: bool = False, order: int = 0) -> World:
        """Return the world after a fact was offered to the ledger, whether or not it was taken."""
        asked = (world.line, evidence, stale, order)
        if asked not in self.decided:
            setting, line = self.setting, self.lines[world.line]
            absent = evidence is E.LOOKUP_ABSENT
            change = Change(
                seq=1,
                evidence=evidence,
                epoch=0 if stale and setting.fenced else 1,
                at=NOW - order * SETTLE if absent else NOW if evidence is E.SENDER_DIED and setting.says_when else None,
                order_id=order if order and not absent else None,
                reason="looked into it",
            )
            settle_s = setting.settle_s
            spacing_s = settle_s if setting.spacing_s is None else setting.spacing_s
            rules = Rules(resend=setting.resend, settle_s=settle_s, spacing_s=spacing_s, restore=setting.restore)
            moment = Moment(now=NOW, epoch=2, rules=rules, effect=setting.effect)
            outcome = decide(line, change, moment, setting.table)
            self.decided[asked] = self.number(outcome.line), outcome.line.epoch != line.epoch
        number, new_epoch = self.decided[asked]
        if number == world.line and not new_epoch:
            return world
        if self.strangers and not world.first and number != world.line:
            first = "refused" if evidence is E.REFUSED_UNCLEAR else "lost" if evidence in _LOST else ""
            world = world._replace(first=first)
        world = world.of_line(number)
        return self.fade(world) if new_epoch else world

    def fade(self, world: World) -> World:
        """A new epoch has begun: make stale what belongs to the last one."""
        workers = tuple(sorted(f"{w.removesuffix('-stale')}-stale" for w in world.workers if w.startswith("armed")))
        net = [(kind, epoch if epoch == "unheard" else "stale", order) for kind, epoch, order in world.net]
        if self.setting.fenced:  # a stale fact that proves no order is refused for ever: as good as lost
            net = [m for m in net if m[0] in {"request", *_ANSWERS}]
        return world._replace(workers=workers, net=tuple(sorted(net)))

    # What may happen next.

    def steps(self, world: World) -> Iterator[World]:
        """Yield every world that may come next."""
        yield from self.workers_step(world)
        yield from self.network_steps(world)
        yield from self.settling_steps(world)
        yield from self.people_step(world)
        yield from self.time_passes(world)
        if self.setting.stranger and not (world.stranger or world.spent):
            yield world._replace(stranger=True)
        if self.setting.copies:
            yield from self.copies_step(world)
        if self.setting.shifts:
            yield from self.shifts_step(world)

    def workers_step(self, world: World) -> Iterator[World]:
        """Yield what workers may do."""
        state = self.lines[world.line].state
        if state is S.PLANNED and len(world.workers) < self.setting.workers:
            if self.setting.intent_first:
                claimed = self.record(world, E.SLOT_IN_HAND)
                yield claimed._replace(workers=tuple(sorted((*claimed.workers, "armed"))))
            else:
                yield world._replace(workers=tuple(sorted((*world.workers, "armed-naked"))))
        if state is S.SENDING and not (self.setting.lock and world.workers):
            yield self.record(world, E.SENDER_DIED)  # dead, or asleep: its claim is gone, its request may still leave
        for i, worker in enumerate(world.workers):
            others = world.workers[:i] + world.workers[i + 1 :]
            yield world._replace(workers=others)  # dies
            epoch = "stale" if worker.endswith("stale") else ""
            if worker.startswith("armed"):
                if self.has_room(world):
                    sent = world._replace(
                        workers=others if epoch else tuple(sorted((*others, "waiting"))),
                        net=tuple(sorted((*world.net, ("request", epoch, 0)))),
                    )
                    yield sent._replace(naked_send=world.naked_send or worker == "armed-naked")
                # Nothing was sent, and it says so.
                yield self.record(world._replace(workers=others), E.NOT_PROCESSED, stale=bool(epoch))
            else:
                yield self.record(world._replace(workers=others), E.OUTCOME_LOST)

    def network_steps(self, world: World) -> Iterator[World]:
        """Yield what may become of each message, a request or an answer."""
        for message in set(world.net):
            kind, epoch, order = message
            rest = list(world.net)
            rest.remove(message)
            lost = world.of_net(tuple(rest))
            yield lost
            if kind == "request":
                for spent, answer, placed in self.answers(world):
                    reply = (answer, "" if answer in _ANSWERS else epoch, placed)
                    for net in (
                        [rest, world.net] if self.setting.repeats_in_transit and self.has_room(world) else [rest]
                    ):
                        unheard = epoch == "unheard" or (epoch and answer not in _ANSWERS and self.setting.fenced)
                        after = world.of_net(tuple(net if unheard else sorted((*net, reply))))
                        yield after if spent == world.spent else after._replace(spent=spent)
            else:
                for net in (lost, world):  # delivered once, or delivered and delivered again
                    yield self.record(net, Evidence(kind), stale=bool(epoch), order=order)

    def answers(self, world: World) -> Iterator[tuple[int, Evidence, int]]:
        """Yield the vendor's books after a request, its answer, and the order the answer names."""
        yield world.spent, E.NOT_PROCESSED, 0  # throttled, or the token was refused
        yield world.spent, E.OUTCOME_LOST, 0  # 5xx before anything was done
        repeat = (world.spent > 0 or world.stranger) and self.setting.refuses_repeats
        if repeat:
            yield world.spent, E.REFUSED_UNCLEAR, 0
            if not world.stranger:
                yield world.spent, E.ANSWERED_PLACED, 1
        elif not world.refuses:
            nameless = () if self.has_key else (E.ANSWERED_DONE,)
            for answer in (E.ANSWERED_PLACED, E.REFUSED_UNCLEAR, E.OUTCOME_LOST, *nameless):
                yield world.spent + 1, answer, world.spent + 1 if answer is E.ANSWERED_PLACED else 0
        if self.setting.lasting_refusals:
            if world.refuses:
                yield world.spent, E.REFUSED_NO_ORDER, 0
        else:
            yield world.spent, E.REFUSED_NO_ORDER, 0
            yield world.spent, E.REFUSED_UNCLEAR, 0

    def settling_steps(self, world: World) -> Iterator[World]:
        """Yield what look-ups may find."""
        if world.visible < world.spent:
            yield world._replace(visible=world.spent)  # look-ups catch up
        line = self.lines[world.line]
        state = line.state
        if not self.has_key:
            if state in {S.UNKNOWN, S.CONFLICT}:
                for evidence in (E.NO_LOOKUP, E.LOOKUP_ABSENT, E.HISTORY_ABSENT, E.LOOKUPS_EXHAUSTED):
                    yield self.record(world, evidence)
            return
        if state in {S.UNKNOWN, S.CONFLICT, S.MANUAL} and (world.visible or world.stranger):
            yield self.record(world, E.LOOKUP_MATCHED, order=1 if world.visible else STRANGERS)
            if line.foreign and world.visible:  # its date falls within the send; a stranger's order is older
                yield self.record(world, E.ORDER_OF_THIS_SEND, order=1)
            if line.foreign and line.evidence == E.LEDGER_COPIED:
                if world.visible:  # the original's order; the job was planned before it
                    yield self.record(world, E.ORDER_SINCE_PLAN, order=1)
                elif self.setting.stranger or not self.setting.dated:
                    yield self.record(world, E.ORDER_SINCE_PLAN, order=STRANGERS)
        elif state in {S.UNKNOWN, S.CONFLICT}:
            for evidence in (E.LOOKUP_ABSENT, E.HISTORY_ABSENT, E.LOOKUPS_EXHAUSTED):
                yield self.record(world, evidence)
            if self.has_room(world):  # an answer that will be told later, when it may no longer be true
                yield world._replace(net=tuple(sorted((*world.net, (E.LOOKUP_ABSENT, "", 0)))))

    def people_step(self, world: World) -> Iterator[World]:
        """Yield what a person may do."""
        state = self.lines[world.line].state
        yield self.record(world, E.WITHDRAWN)  # asked for at any moment; the table says when it is done
        at_rest = not world.net and not world.workers
        if state is S.MANUAL and (at_rest or self.setting.hasty):  # a person waits, asks the vendor, and is told
            if world.spent:
                yield self.record(world, E.PERSON_PLACED, order=1)
                if not self.has_key:
                    yield self.record(world, E.PERSON_PLACED)  # the dashboard shows it, and its id is nowhere
            else:
                yield self.record(world, E.PERSON_RESEND)
                yield self.record(world, E.PERSON_REJECTED)

    def time_passes(self, world: World) -> Iterator[World]:
        """Yield the world one settling time later."""
        late = any(kind == "request" for kind, _, _ in world.net) or world.visible < world.spent
        awake = "late" if self.setting.sleeps else "armed"
        if self.setting.bounded_delay and (late or any(awake in worker for worker in world.workers)):
            return
        # A look-up told later than one settling time after it was made is as good as lost.
        young = [m for m in world.net if m[0] != E.LOOKUP_ABSENT or m[2] == 0]
        net = [(kind, epoch, 1) if kind == E.LOOKUP_ABSENT else (kind, epoch, n) for kind, epoch, n in young]
        backup = world.backup if world.backup < 0 else self.older(world.backup)
        workers = world.workers
        if self.setting.sleeps:
            workers = tuple(sorted(w.replace("armed", "armed-late") if "armed" in w else w for w in workers))
        yield world._replace(line=self.older(world.line), backup=backup, net=tuple(sorted(net)), workers=workers)

    def older(self, number: int) -> int:
        """Return a line with its times one settling time further away."""
        if number not in self.aged:
            line = self.lines[number]
            aged = {"last_sent_tick": one_older(line.last_sent_tick), "last_lookup_at": one_older(line.last_lookup_at)}
            self.aged[number] = self.number(msgspec.structs.replace(line, **aged))
        return self.aged[number]

    def copies_step(self, world: World) -> Iterator[World]:
        """Yield the world with a backup taken, or put back by the next holder, who may be told."""
        if world.backup == NO_BACKUP and self.lines[world.line].state not in FINAL:
            yield world._replace(backup=world.line)
        elif world.backup >= 0:
            net = tuple((kind, "unheard", order) for kind, _, order in world.net if kind == "request")
            back = world._replace(line=world.backup, workers=(), net=net, backup=PUT_BACK)
            if self.strangers:  # what the backup knows of its sends
                line = self.lines[world.backup]
                back = back._replace(first="refused" if line.foreign else "lost" if line.suspect else "")
            back = self.record(back, E.SENDER_DIED)
            yield self.record(back, self.setting.copy_is) if self.setting.told_of_copies else back

    def shifts_step(self, world: World) -> Iterator[World]:
        """Yield the world with an answer that is another line's, and the one in which its connection is found out."""
        if world.wrong != "told" and self.has_room(world) and any(kind == "request" for kind, _, _ in world.net):
            answer = (E.ANSWERED_PLACED.value, "", OTHERS)
            yield world._replace(wrong="told", net=tuple(sorted((*world.net, answer))))
        if world.wrong:
            net = tuple(message for message in world.net if message[2] != OTHERS)
            if net != world.net:
                world = self.record(world, E.ANSWERED_PLACED, order=OTHERS)._replace(net=net)
            yield self.record(world, E.ANSWER_DOUBTED, order=OTHERS)._replace(wrong="found")
            # Its right answers are in doubt as well.
            yield self.record(world, E.ANSWER_DOUBTED, order=1)


def one_older(at: float | None) -> float | None:
    """Return a moment one settling time further away; more than two are like two."""
    return None if at is None else max(at - SETTLE, NOW - 2 * SETTLE)


def but(row: Transition, **facts: object) -> Transition:
    """Return a row of the table with some facts changed."""
    return msgspec.structs.replace(row, **facts)


def changed(evidence: Evidence, change: Callable[[Transition], Transition]) -> tuple[Transition, ...]:
    """Return the table with the rows of one evidence that move a line changed."""
    return tuple(change(row) if row.evidence is evidence and row.target else row for row in TRANSITIONS)


def in_state(state: LineState, target: LineState) -> Callable[[Transition], Transition]:
    """Return what leads one state elsewhere, free of doubt."""
    return lambda row: but(row, target=target, suspect=False) if state in row.sources else row


def numbered(number: str, change: Callable[[Transition], Transition]) -> tuple[Transition, ...]:
    """Return the table with the rows of one number changed."""
    return tuple(change(row) if row.number == number else row for row in TRANSITIONS)
