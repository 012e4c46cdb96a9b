"""The jobs that are killed, and the commands that open the same files afterwards."""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "BEGIN_A_JOB",
    "EXPORT",
    "FILES",
    "JOBS",
    "KEY",
    "KEYS",
    "OTHERS",
    "PROGRAM",
    "PROGRAMS",
    "ROWS",
    "Job",
    "Words",
]

ROWS: Final = 4
KEY: Final = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
WRONG_KEY: Final = "b3RoZXJrZXlvdGhlcmtleW90aGVya2V5b3RoZXJrZXk="
Words = tuple[str, ...]

_ORDERS: Final = "key,product_id,denomination,quantity\n" + "".join(f"row-{n},1001,100,1\n" for n in range(ROWS))
FILES: Final = {
    "orders": _ORDERS,
    "changed": _ORDERS.replace("row-1,1001,100", "row-1,1002,150"),
    "bad": _ORDERS.replace(",100,", ",x,"),
    "points": "key,email,name,amount\n" + "".join(f"row-{n},p{n}@example.com,P,{n + 1}\n" for n in range(ROWS)),
    "links": "key,quantity\n" + "".join(f"row-{n},1\n" for n in range(ROWS)),
    "mails": "key,email\n" + "".join(f"row-{n},p{n}@example.com\n" for n in range(ROWS)),
}
"""The files of rows, by the name of each `.csv`."""

_RUN: Final = ("bulk", "run", "orders.csv", "--rate", "none", "--settle", "0.1")
_PLAN: Final = ("bulk", "plan", "orders.csv")
_CAMPAIGN: Final = ("--campaign-id", "7001", "--expires-on", "2099-12-31", "--settle", "0", "--yes")
_SEND: Final = {
    "points": ("points", "send", "--sender", "a@example.com", "--settle", "0", "--yes", "--file", "points.csv"),
    "links": ("links", "generate", *_CAMPAIGN, "--file", "links.csv"),
    "mails": ("links", "send", *_CAMPAIGN, "--file", "mails.csv"),
}
PROGRAMS: Final = {
    "opened": "async with SqliteLedger(path): pass",
    "declined": (
        "async def no(*_): raise LedgerError('declined')\n"
        "  async def rows():\n"
        "    for n in (1, 2): yield PlannedLine(key=f'new-{n}', po_number=f'n{n}', digest='d', request=b'{}', row=n)\n"
        "  async with SqliteLedger(path, keep_unused=False) as ledger:\n"
        "    await ledger.plan(ledger.job or 'job', rows(), PlanTerms(approve=no))"
    ),
    "viewed": (
        "async with SqliteLedger(path, read_only=True) as ledger:\n"
        "    print([row async for row in ledger.journal()], await ledger.counts())"
    ),
}
PROGRAM: Final = (
    "import asyncio, sys\n"
    "from xoxo_async.bulk import SqliteLedger\n"
    "from xoxo_async.bulk.ledger.lines import PlannedLine\n"
    "from xoxo_async.bulk.ledger.terms import PlanTerms\n"
    "from xoxo_async.errors import LedgerError\n"
    "path = 'job.db'\n"
    "async def main():\n"
    "  {}\n"
    "try: asyncio.run(main())\n"
    "except LedgerError as error: sys.exit(str(error))\n"
)


@dataclass(frozen=True)
class Job:
    """A command that is killed, what leads to it, and what brings its job to the end.

    Attributes:
        words: The command.
        before: Commands that run before it.
        after: Commands that follow, in order; each ends with 0.
        kind: Of the job.
        key: The key of the ledger's codes in the command and after it.
        first_key: The key in the commands before it.
        withdrawn: Whether one row may be withdrawn.
        lost: Whether the first order never arrives in the commands before it, so that its row waits for a person.
        again: What a person does again before the commands that follow; it is refused if it was done.
    """

    words: Words
    before: tuple[Words, ...] = ()
    after: tuple[Words, ...] = (_RUN,)
    kind: str = "orders"
    key: str = KEY
    first_key: str = KEY
    withdrawn: bool = False
    lost: bool = False
    again: Words = ()


EXPORT: Final = ("bulk", "export", "--out", "codes.csv", "--reveal")
_PROVE: Final = ("bulk", "prove", "--out", "proof.json", "--lines", "proof.csv")
_REPORT: Final = ("bulk", "report", "--out", "report.html")
_RESOLVE: Final = ("bulk", "resolve", "row-0", "--resend", "--reason", "it is in no list")
_OWN: Final = (*_RUN, "--sandbox")
_REBIND: Final = ("bulk", "rebind", "--reason", "moved", "--base-url", "LOCALHOST")

JOBS: Final = {
    "run": Job(_RUN),
    "plan": Job((*_PLAN, "--rate", "none")),
    "resume": Job(("bulk", "resume", *_RUN[3:]), before=(_PLAN,)),
    "nothing left": Job(_RUN, before=(_RUN,)),
    "seal": Job(_RUN, before=(_RUN,), first_key=""),
    "export": Job(EXPORT, before=(_RUN,), after=(EXPORT, _RUN)),
    "prove": Job(_PROVE, before=(_RUN,), after=(_PROVE, _RUN)),
    "report": Job(_REPORT, before=(_RUN,), after=(_REPORT, _RUN)),
    "withdraw": Job(("bulk", "withdraw", "row-3", "--reason", "left"), before=(_PLAN,), withdrawn=True),
    "pause": Job(("bulk", "pause", "--reason", "wait"), before=(_PLAN,)),
    "rebind": Job(_REBIND, before=(_PLAN,), after=(_REBIND, (*_RUN, "--base-url", "LOCALHOST"))),
    "resolve": Job(
        _RESOLVE, before=((*_RUN, "--resend", "never", "--concurrency", "1"),), lost=True, again=_RESOLVE
    ),
    "own books": Job(_OWN, after=(_OWN,), kind="own books"),
    "reconcile": Job(("bulk", "reconcile"), before=(_PLAN,)),
    "points": Job(_SEND["points"], kind="points", after=(_SEND["points"],)),
    "links": Job(_SEND["links"], kind="links", after=(_SEND["links"], EXPORT)),
    "mails": Job(_SEND["mails"], kind="mails", after=(_SEND["mails"],)),
    "cancel": Job(
        ("points", "cancel", "--all", "--reason", "wrong", "--yes"), before=(_SEND["points"],), kind="cancel",
        after=(("points", "cancel", "--all", "--reason", "wrong", "--yes"),),
    ),
}  # fmt: skip

OTHERS: Final[dict[str, Words]] = {
    "status": ("bulk", "status"),
    "export": ("bulk", "export", "--out", "other.csv"),
    "report": ("bulk", "report", "--out", "other.html"),
    "prove": ("bulk", "prove", "--out", "other.json"),
    "resolve": ("bulk", "resolve", "no-such-row", "--resend", "--reason", "none"),
    "withdraw": ("bulk", "withdraw", "no-such-row", "--reason", "left"),
    "doctor": ("doctor",),
    "cancel": ("points", "cancel", "no-such-row", "--reason", "none", "--yes"),
    "another account": ("bulk", "resume", "--client-id", "other"),
    "another address": ("bulk", "resume", "--base-url", "http://127.0.0.1:9/chef", "--pause-limit", "0"),
    "changed file": ("bulk", "run", "changed.csv", "--rate", "none"),
    "bad file": ("bulk", "run", "bad.csv", "--rate", "none"),
    "another job": ("bulk", "run", "orders.csv", "--rate", "none", "--job", "april"),
    "another kind": ("links", "send", *_CAMPAIGN, "--file", "mails.csv"),
    "orders for another kind": ("bulk", "plan", "orders.csv", "--job", "march"),
    "wrong key": ("bulk", "run", "orders.csv"),
    "no key": ("bulk", "export", "--out", "other.csv", "--reveal"),
    "opened": ("opened",),
    "declined": ("declined",),
    "viewed": ("viewed",),
}

BEGIN_A_JOB: Final = {"changed file", "another job", "another kind", "orders for another kind", "wrong key", "no key"}
"""Those of them that begin a job where a kill has left none."""
KEYS: Final = {"wrong key": WRONG_KEY, "no key": ""}
"""The keys of those that have another one than their job."""
