"""`prove`: whatever is planted in the vendor's books is named, and only an agreeing job ends with 0."""

import csv
import json
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.bulk import derive_po_number
from xoxo_async.sandbox import BookedOrder, Sandbox

PROVE = ("bulk", "prove", "--ledger", "march.db")
KEY = "0123456789abcdef0123456789abcdef\n"


@pytest.fixture
def books(command: Command, sandbox: Sandbox) -> Sandbox:
    """Issue the rows A, B and C of the job march."""
    Path("orders.csv").write_text("key,product_id,denomination,quantity\nA,1001,500,1\nB,1003,200,2\nC,1004,25,1\n")
    assert command("bulk", "run", "orders.csv", "--ledger", "march.db", "--rate", "none").code == 0
    return sandbox


def order_of(books: Sandbox, key: str) -> BookedOrder:
    order = books.order(derive_po_number("march", key))
    assert order is not None
    return order


def book(books: Sandbox, po_number: str) -> None:
    """Book an order for 500 INR behind the ledger's back."""
    product = books.state.products[1001]
    assert books.state.book(product, quantity=1, denomination=Decimal(500), po_number=po_number)


def kinds(facts: dict[str, Any]) -> dict[str, int]:
    return {kind: number for kind, number in facts["found"].items() if number}


def test_an_agreeing_job_ends_with_0(command: Command, books: Sandbox) -> None:
    """It says what was compared, and other jobs and funds stand apart. The ledger stays as it is."""
    book(books, "INV-1")
    books.state.add_funds(Decimal(1000))
    before = Path("march.db").read_bytes()
    ended = command(*PROVE)
    shown = (
        "result in march.proof.json. Show it in a report with: xoxo bulk report --ledger march.db --out march.html\n"
    )
    assert (ended.code, ended.err) == (0, shown)
    assert "  agree                3\n" in ended.out
    assert "  wallet      INR 2,961.25 paid for this job\n" in ended.out
    assert "  other jobs  INR 500 for 1 order\n" in ended.out
    assert "calls: 1 getOrderHistory, 1 paymentHistory\n" in ended.out
    assert ended.out.endswith("proven: ledger and vendor agree\n")
    assert Path("march.db").read_bytes() == before
    assert not Path("march.db.proof").exists()


def _move(books: Sandbox, order: BookedOrder, po_number: str) -> None:
    books.state.by_po[po_number] = books.state.by_po.pop(order.po_number)
    order.po_number = po_number


def test_what_is_planted_is_found(command: Command, sandbox: Sandbox) -> None:
    """Each row of one job gets another discrepancy: exactly these are found, with exit code 4."""
    rows = "".join(f"{key},1001,500,2\n" for key in "ABCDEFGHI")
    Path("orders.csv").write_text(f"key,product_id,denomination,quantity\n{rows}")
    assert command("bulk", "run", "orders.csv", "--ledger", "march.db", "--rate", "none").code == 0
    order_of(sandbox, "A").charged += 1
    order_of(sandbox, "B").product_id = 1002
    order_of(sandbox, "C").denomination = Decimal(250)
    order_of(sandbox, "D").quantity = 3
    order_of(sandbox, "E").due_at = 4e9
    _move(sandbox, order_of(sandbox, "F"), "INV-7")
    book(sandbox, order_of(sandbox, "G").po_number)
    book(sandbox, derive_po_number("march", "LOST"))
    book(sandbox, "INV-8")
    paid = {entry.reference: entry for entry in sandbox.state.payments}
    paid[f"REF{order_of(sandbox, 'H').order_id}"].amount -= 1
    second, lost = (order.order_id for order in list(sandbox.state.orders.values())[9:11])
    ids = {key: order_of(sandbox, key).order_id for key in "AGH"}
    (moved,) = sandbox.state.by_po["INV-7"]
    ended = command(*PROVE, "--json")
    facts = ended.facts
    assert (ended.code, facts["ok"], facts["agree"], facts["differ"]) == (4, False, 1, 8)
    found = {(kind, one["key"]): one["why"] for kind in facts["found"] for one in facts[kind]}
    assert "do not follow from one another" in found.pop(("wallet", ""))
    assert found == {
        ("charges", "A"): "the charge is INR 1000 in the ledger and INR 1001 at the vendor",
        ("wallet", "A"): f"order {ids['A']} cost 1001, and the payment report took 1000",
        ("different", "B"): "the product is 1001 in the ledger and 1002 at the vendor",
        ("different", "C"): "the value of a piece is 500 in the ledger and 250 at the vendor",
        ("different", "D"): "the quantity is 2 in the ledger and 3 at the vendor",
        ("delivery", "E"): "the delivery is delivered in the ledger and pending at the vendor",
        ("different", "F"): f"order {moved} has the poNumber INV-7 at the vendor",
        ("repeated", "G"): f"2 orders have this poNumber: {ids['G']}, {second}",
        ("unlisted", "LOST"): f"order {lost} has the poNumber of this job's row LOST, and the ledger has no such row",
        ("wallet", "H"): f"order {ids['H']} cost 1000, and the payment report took 999",
    }


def test_each_line_has_its_verdict(command: Command, books: Sandbox) -> None:
    """In a private CSV, also the lines that agree."""
    order_of(books, "B").quantity = 3
    ended = command(*PROVE, "--lines", "lines.csv")
    assert (ended.code, "3 rows in lines.csv\n" in ended.out) == (4, True)
    assert Path("lines.csv").stat().st_mode & 0o777 == 0o600
    with Path("lines.csv").open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert {key: row["verdict"] for key, row in rows.items()} == {"A": "agrees", "B": "differs", "C": "agrees"}
    assert "continue with: " in ended.err
    assert ended.err.endswith("bulk prove --ledger march.db --lines lines.csv\n")
    assert rows["B"]["why"] == "the quantity is 2 in the ledger and 3 at the vendor"
    assert rows["A"]["order_id"] == str(order_of(books, "A").order_id)


def test_an_unpaid_order_is_found(command: Command, books: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report names orders, and not this one. For ten minutes it may only lag."""
    unpaid = books.state.payments.pop()
    facts = command(*PROVE, "--json").facts
    assert [one["why"] for one in facts["unknown"]] == [
        f"the payment report has nothing for order {unpaid.reference.removeprefix('REF')} yet, which is very new"
    ]
    monkeypatch.setattr("xoxo_async.bulk.proving.facts.RECENT_S", -1.0)
    ended = command(*PROVE)
    assert (ended.code, "the payment report took nothing for order 600000" in ended.out) == (4, True)


def test_a_lagging_history_is_unknown(command: Command, books: Sandbox) -> None:
    """The order is there by look-up, and that does not prove it to be the only one."""
    books.state.history_lag_s = 600
    for key in "AB":
        order_of(books, key).placed_at -= 1200
    ended = command(*PROVE, "--json")
    assert (ended.code, kinds(ended.facts), ended.facts["undecided"]) == (4, {"unknown": 1}, 1)
    assert ended.facts["unknown"][0]["key"] == "C"
    assert ended.facts["unknown"][0]["why"].endswith("its history does not show it: the history lags, or lacks it")


def test_an_order_that_is_gone_is_missing(command: Command, books: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is so after ten minutes; before that it might still come."""
    gone = order_of(books, "A")
    books.state.by_po.pop(gone.po_number)
    books.state.orders.pop(gone.order_id)
    monkeypatch.setattr("xoxo_async.bulk.proving.facts.RECENT_S", -1.0)
    ended = command(*PROVE)
    assert ended.code == 4
    assert "placed rows without an order at the vendor: 1\n  row 2 A (march-A-" in ended.out
    assert ended.out.endswith("NOT proven: see above\n")


def test_cut_days_are_said(command: Command, books: Sandbox) -> None:
    """With nothing else wrong, the job is not proven."""
    ended = command(*PROVE, "--until", "2000-01-02", "--since", "2000-01-01", "--json")
    assert (ended.code, ended.facts["missing"]) == (4, [])
    assert any("the days are cut: " in one["why"] for one in ended.facts["unknown"])
    assert ended.facts["calls"]["getOrderHistory"] == 1


def test_a_result_is_signed_and_verified(command: Command, books: Sandbox) -> None:
    """The file is private; a changed one is refused."""
    Path("proof.key").write_text(KEY)
    Path("proof.key").chmod(0o600)
    signed = command(*PROVE, "--out", "p.json", "--key-file", "proof.key")
    assert signed.code == 0
    assert "result, signed, in p.json\n" in signed.out
    assert Path("p.json").stat().st_mode & 0o777 == 0o600
    verify = ("bulk", "prove", "--verify", "p.json", "--key-file", "proof.key")
    good = command(*verify)
    assert (good.code, "the signature of p.json is valid" in good.out) == (0, True)
    assert command(*verify, "--json").facts["ok"] is True
    Path("printed.json").write_text(command(*PROVE, "--json", "--key-file", "proof.key").out)
    assert command("bulk", "prove", "--verify", "printed.json", "--key-file", "proof.key").code == 0
    facts = json.loads(Path("p.json").read_text())
    Path("p.json").write_text(json.dumps({**facts, "placed": 4}))
    bad = command(*verify)
    assert (bad.code, "p.json was changed after it was signed" in bad.err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ((), "Missing option '--ledger'"),
        (("--verify", "p.json"), "--verify goes with --key-file"),
        (("--ledger", "march.db", "--verify", "p.json", "--key-file", "k"), "and without --ledger"),
        (("--ledger", "march.db", "--key-file", "k"), "the key file k cannot be read"),
        (("--ledger", "march.db", "--out", "p.txt"), "give --out a name that ends in .json"),
        (("--ledger", "march.db", "--out", "none/p.json"), "there is no folder none"),
        (("--ledger", "march.db", "--out", "other.json"), "is no older result of a proof"),
        (("--ledger", "march.db", "--lines", "p.json"), "give --lines a name that ends in .csv"),
        (("--ledger", "march.db", "--lines", "other.csv"), "is there already"),
        (("--ledger", "none.db"), "none.db"),
        (("--ledger", "march.db", "--since", "yesterday"), "--since"),
    ],
)
def test_wrong_usage_is_refused_first(command: Command, flags: tuple[str, ...], why: str) -> None:
    """Exit 2, one line, and no call."""
    Path("other.json").write_text('{"mine": 1}')
    Path("other.csv").write_text("mine")
    ended = command("bulk", "prove", *flags)
    assert (ended.code, why in ended.err) == (2, True), ended.err
    assert Path("other.json").read_text() == '{"mine": 1}'


def test_an_interrupted_proof_can_go_on(command: Command, books: Sandbox) -> None:
    """A vendor that refuses is exit 5, with the command that goes on, and the progress is kept."""
    books.script("error_in_200", operation="getOrderHistory", first=1)
    ended = command(*PROVE, "--json")
    assert (ended.code, Path("march.db.proof").exists()) == (5, True)
    assert "bulk prove --ledger march.db" in ended.facts["continue_with"]
    again = command(*PROVE, "--json")
    assert (again.code, again.facts["calls"]["getOrderHistory"]) == (0, 1)


def test_a_sandbox_of_its_own_is_found(command: Command) -> None:
    """Without a flag: the ledger knows that its orders are there. `--progress` names another file."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\n")
    assert command("bulk", "run", "orders.csv", "--ledger", "own.db", "--sandbox").code == 0
    for flags in ((), ("--sandbox", "--thorough", "--progress", "notes")):
        ended = command("bulk", "prove", "--ledger", "own.db", "--json", *flags)
        assert (ended.code, ended.facts["address"], ended.facts["agree"]) == (0, "sandbox", 1)
    assert ended.facts["calls"]["getOrderDetails"] == 1
    assert not Path("notes").exists()


def test_amounts_in_the_result_are_texts(command: Command, books: Sandbox) -> None:
    """So that no reader rounds them, and the signature holds."""
    sums = command(*PROVE, "--json").facts["sums"]
    assert msgspec.convert(sums["paid"], Decimal, strict=False) == Decimal("2961.25")
    assert isinstance(sums["paid"], str)


def test_a_database_keeps_its_progress_elsewhere(command: Command, sandbox: Sandbox, database: str) -> None:
    """Its packed job is proven like a file's, from this user's state folder, and each job has its own file."""
    Path("orders.csv").write_text("key,product_id,denomination\nA,1001,500\nB,1001,500\nC,1002,700\n")
    where = ("--ledger", f"{database}#march")
    assert command("bulk", "run", "orders.csv", *where, "--rate", "none", "--pack").code == 0
    sandbox.script("error_in_200", operation="getOrderHistory", first=1)
    assert command("bulk", "prove", *where).code == 5
    (kept,) = Path("state/xoxo").glob("march-*.proof")
    assert kept.stat().st_mode & 0o777 == 0o600
    ended = command("bulk", "prove", *where, "--json")
    assert (ended.code, ended.facts["orders"], ended.facts["agree"]) == (0, 2, 2)
    assert not kept.exists()


def test_a_report_finds_the_last_proof(command: Command, books: Sandbox) -> None:
    """Without --out the result lies beside the ledger, privately; an unsigned one replaces no signed one."""
    ended = command(*PROVE)
    assert "result in march.proof.json" in ended.err
    kept = Path("march.proof.json")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert command("bulk", "report", "--ledger", "march.db", "--json").facts["proof"]["ok"] is True
    Path("k").write_text("k" * 32)
    Path("k").chmod(0o600)
    assert command(*PROVE, "--key-file", "k").code == 0
    signed = kept.read_bytes()
    ended = command(*PROVE)
    assert (ended.code, "result in" in ended.err, kept.read_bytes()) == (0, False, signed)
    assert "march.proof.json is signed, and it stays; --out FILE.json writes this result\n" in ended.err


def test_the_usual_report_is_made_as_printed(command: Command, books: Sandbox) -> None:
    """Pasted as it is, also where the ledger's name has a blank."""
    Path("march.db").rename("march one.db")
    ended = command("bulk", "prove", "--ledger", "march one.db")
    words = shlex.split(ended.err.partition("Show it in a report with: ")[2].splitlines()[0])
    assert command(*words[1:], "--json").facts["proof"]["ok"] is True
    assert Path("march one.html").exists()


def test_a_proof_is_repeated_as_given(command: Command, books: Sandbox) -> None:
    """The command that goes on has the flags of this one, and works when pasted."""
    book(books, derive_po_number("march", "LOST"))
    flags = ("--base-url", books.base_url, "--thorough", "--out", "my proof.json")
    ended = command(*PROVE, *flags)
    words = shlex.split(ended.err.partition("continue with: ")[2])
    assert words[1:] == [*PROVE, *flags]
    assert command(*words[1:]).code == ended.code == 4


def test_a_foreign_file_is_left_alone(command: Command, books: Sandbox) -> None:
    """It has the name of the result, and is none; the proof ends as it would."""
    kept = Path("march.proof.json")
    kept.write_text('{"mine": 1}')
    ended = command(*PROVE)
    assert (ended.code, "result in" in ended.err, kept.read_text()) == (0, False, '{"mine": 1}')
    assert "march.proof.json is no older result of a proof, and it stays; --out FILE.json writes this" in ended.err


def test_an_unreadable_result_is_said(command: Command, books: Sandbox) -> None:
    """Nothing is known of what is there, so it stays; the reason is the system's."""
    kept = Path("march.proof.json")
    kept.mkdir()
    ended = command(*PROVE)
    assert ended.code == 0
    assert "march.proof.json cannot be read (Is a directory), and it stays; --out FILE.json writes this" in ended.err
    ended = command(*PROVE, "--out", kept)
    assert (ended.code, "march.proof.json cannot be read: Is a directory" in ended.err) == (2, True)


def test_an_error_in_a_proof_is_its_own(command: Command, books: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the proof reads may fail: the file of the result is not to blame."""

    async def fail(*_more: object, **_others: object) -> None:
        raise PermissionError(13, "Permission denied", "other.db")

    monkeypatch.setattr("xoxo_async.bulk.proving.prover.prove_job", fail)
    ended = command(*PROVE)
    assert "cannot be written" not in ended.err
    assert "error: internal fault, PermissionError (other.db: Permission denied)" in ended.err


def test_the_report_of_a_result_is_made(command: Command, books: Sandbox) -> None:
    """The names of the ledger and of the result look like addresses, and the printed command works as it stands."""
    Path("march.db").rename("host=a port=1.db")
    ended = command("bulk", "prove", "--ledger", "./host=a port=1.db", "--out", "./me:x@y.json")
    words = shlex.split(ended.err.partition("show it in a report with: ")[2].splitlines()[0])
    assert command(*words[words.index("bulk") :]).code == 0
    assert Path("host=a port=1.html").exists()


def test_a_result_names_its_report(command: Command, books: Sandbox) -> None:
    """The report takes the file, whatever its name is."""
    ended = command(*PROVE, "--out", "proof.json")
    assert "xoxo bulk report --ledger march.db --out march.html --proof proof.json" in ended.out + ended.err


PEOPLE = "key,email,name,amount\n" + "".join(f"E-{n},p{n}@example.com,P,{100 * n}\n" for n in range(1, 7))


@pytest.fixture
def points(command: Command, sandbox: Sandbox) -> Sandbox:
    """Send points to six people, two of them with a lost answer, and cancel one row's."""
    sandbox.script("commit_then_reset", operation="sendBalance", email="p2@example.com")
    sandbox.script("reset_before_commit", operation="sendBalance", email="p3@example.com")
    Path("people.csv").write_text(PEOPLE)
    send = ("points", "send", "--file", "people.csv", "--ledger", "p.db", "--sender", "a@example.com", "--rate", "none")
    # One call at a time, because the tests name the ids of the credits.
    assert command(*send, "--concurrency", "1").code == 4
    assert command("points", "cancel", "--ledger", "p.db", "E-1", "--reason", "left").code == 0
    return sandbox


def test_points_are_proven_by_the_payment_report(command: Command, points: Sandbox) -> None:
    """In the words of points; rows in doubt have evidence, and are a person's all the same."""
    ended = command("bulk", "prove", "--ledger", "p.db", "--lines", "lines.csv")
    assert ended.code == 4
    assert "  rows                 6, 4 of them sent\n  agree                4\n" in ended.out
    assert "  ledger      points 1,500\n  report      points 1,500 proven\n" in ended.out
    assert "  wallet      160 paid for this job, 0.1 for a point, 10 given back\n" in ended.out
    assert "  other rows  1 of the report, 20 in all\n" in ended.out
    assert "row 3 E-2" in ended.out
    assert "has 1 row over 20 of these days that names no credit of this ledger (REF9000002 of" in ended.out
    assert "has no row over 30 of these days yet, but for those of this ledger's other rows" in ended.out
    assert "example.com" not in ended.out + Path("lines.csv").read_text()
    assert not any(word in ended.out for word in ("order", "voucher", "poNumber"))
    assert ended.err.endswith("continue with: xoxo bulk status --ledger p.db\n")
    with Path("lines.csv").open(newline="") as file:
        verdicts = {row["key"]: row["verdict"] for row in csv.DictReader(file)}
    assert verdicts == {f"E-{n}": "not known" if n in {2, 3} else "agrees" for n in range(1, 7)}


def test_a_persons_word_is_proven_too(command: Command, points: Sandbox) -> None:
    """The right one agrees; that points are there which the report did not take is not passed."""
    resolve = ("bulk", "resolve", "--ledger", "p.db", "--reason", "seen")
    assert command(*resolve, "--placed", "9000002", "E-2").code == 0
    assert command(*resolve, "--done", "E-3").code == 0
    ended = command("bulk", "prove", "--ledger", "p.db")
    assert (ended.code, "  agree                5\n" in ended.out) == (4, True)
    assert "no answer named its credit; the payment report has no row over 30 of these days" in ended.out


def test_every_sum_of_points_is_the_same(command: Command, points: Sandbox) -> None:
    """Status, export, report and proof agree to the point after a cancellation."""
    status = command("bulk", "status", "--ledger", "p.db", "--json").facts
    assert (status["charged"], status["taken_back"], status["pending"]) == ({"points": 1500}, 1, 0)
    assert (status["issued"], status["delivery_cancelled"]) == (4, 0)
    shown = command("bulk", "status", "--ledger", "p.db").out
    assert "  cancelled         1, counted as issued: the points were taken back\n  charged   points 1,500\n" in shown
    command("bulk", "export", "--ledger", "p.db", "--out", "p.csv")
    with Path("p.csv").open(newline="") as file:
        assert sum(int(row["points"]) for row in csv.DictReader(file) if row["delivery"] == "delivered") == 1500
    command("bulk", "prove", "--ledger", "p.db", "--out", "p.proof.json")
    assert json.loads(Path("p.proof.json").read_text())["sums"]["ledger"] == "1500"
    assert command("bulk", "report", "--ledger", "p.db", "--out", "p.html").err.count("charged points 1,500") == 1
    page = Path("p.html").read_text()
    assert "Points report" in page
    assert "sums proven by the report" in page
    assert "Nothing disagrees, and not everything is known." in page
