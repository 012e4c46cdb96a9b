"""`starting`: links for rows of a file or a number of them, mails for addresses, and what goes on with a ledger."""

import csv
import shlex
from pathlib import Path

import pytest

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox

ROWS = "Stand,Number of links\nA,2\nB,\nC,3\n"
TERMS = ("--campaign-id", "7001", "--expires-on", "2099-12-31", "--rate", "none")
MAKE = ("links", "generate", "--file", "rows.csv", "--map", "Stand=key", "--ledger", "l.db", *TERMS)
MAIL = ("links", "send", "--file", "people.csv", "--ledger", "m.db", *TERMS)


@pytest.fixture(autouse=True)
def _files(command: Command) -> None:
    Path("rows.csv").write_text(ROWS)
    Path("people.csv").write_text("key,email\n" + "".join(f"E-{n},p{n}@example.com\n" for n in range(4)))


def links_of(path: str) -> list[str]:
    with Path(path).open(newline="") as file:
        return [row["link"] for row in csv.DictReader(file)]


def test_links_are_made_once_and_exported(command: Command, sandbox: Sandbox) -> None:
    """Each row gets its own; the command names the export, and no output of it shows a link."""
    made = command(*MAKE)
    assert made.code == 0, made.err
    assert "to make 6 links for 3 rows, in 3 calls" in made.err
    assert "xoxo bulk export --ledger l.db --out l-links.csv --reveal" in made.err
    assert "claim.example" not in made.out + made.err
    assert command("links", "generate", "--ledger", "l.db", "--json").facts["placed_now"] == 0
    assert command("bulk", "export", "--ledger", "l.db", "--out", "l-links.csv", "--reveal").code == 0
    links = links_of("l-links.csv")
    assert sorted(links) == sorted(link for batch in sandbox.books().links for link in batch.links)
    assert len(set(links)) == 6


def test_a_quantity_is_as_many_rows(command: Command, sandbox: Sandbox) -> None:
    """With a batch they travel in one call; a greater quantity makes only the rest."""
    line = ("links", "generate", "--ledger", "q.db", "--batch", "10", *TERMS)
    assert command(*line, "--quantity", "5").code == 0
    more = command(*line, "--quantity", "7", "--json")
    assert (more.code, more.facts["rows"], more.facts["placed_now"]) == (0, 7, 2)
    assert [len(batch.links) for batch in sandbox.books().links] == [5, 2]


def test_a_lost_answer_about_links_is_a_persons(command: Command, sandbox: Sandbox) -> None:
    """Nothing makes them again by itself."""
    sandbox.script("commit_then_reset", operation="generateLink", nth=1)
    ended = command(*MAKE, "--concurrency", "1", "--json")
    assert (ended.code, ended.facts["issued"], ended.facts["unknown"]) == (4, 2, 1)
    assert command("links", "generate", "--ledger", "l.db", "--rate", "none").code == 4
    assert len(sandbox.books().links) == 3
    assert "Look for links of the campaign made at that time" in command("bulk", "status", "--ledger", "l.db").out


def test_rows_are_read_as_orders_are(command: Command, sandbox: Sandbox) -> None:
    """Mapped and kept columns, a budget, a bound on refusals, and every problem beside its row."""
    Path("stands.csv").write_text("Ref;No of links;City\nA;2;Köln\nB;3;Bonn\nC;0;Ulm\nC;1;Ulm\n", encoding="cp1252")
    job = (
        "links",
        "generate",
        "--file",
        "stands.csv",
        "--ledger",
        "f.db",
        "--map",
        "Ref=key",
        "--keep",
        "City",
        *TERMS,
    )
    refused = command(*job, "--problems", "bad.csv")
    assert (refused.code, "row 4, column No of links: must be a whole number from 1" in refused.err) == (2, True)
    assert "4,No of links,0," in Path("bad.csv").read_text()
    assert sandbox.books().requests.get("generateLink") is None
    paused = command(*job, "--skip-invalid", "--max-spend", "250", "--concurrency", "1", "--json")
    assert (paused.code, paused.facts["pause"], paused.facts["issued"]) == (5, "budget", 1)
    ended = command("links", "generate", "--ledger", "f.db", "--max-spend", "1000", "--json")
    assert (ended.code, ended.facts["issued"]) == (0, 3)
    assert command("bulk", "export", "--ledger", "f.db", "--out", "f.csv").code == 0
    assert [row.rsplit(",", 1)[1] for row in Path("f.csv").read_text().splitlines()[1:]] == ["Köln"] * 2 + [
        *["Bonn"] * 3,
        "Ulm",
    ]
    watched = command("bulk", "status", "--ledger", "f.db", "--watch")
    assert (watched.code, "f: 3 of 3 issued" in watched.err) == (0, True)


def test_refused_addresses_pause_a_job(command: Command, sandbox: Sandbox) -> None:
    """As --max-errors says; the printed command goes on without the bound."""
    for number in (1, 2):
        sandbox.script("error_in_200", operation="generateLinkEmail", email=f"p{number}@example.com")
    Path("p.csv").write_text("Emp ID,Mail,Team\n" + "".join(f"E-{n},p{n}@example.com,T\n" for n in range(1, 6)))
    job = ("links", "send", "--file", "p.csv", "--ledger", "m.db", "--keep", "all", *TERMS, "--concurrency", "1")
    paused = command(*job, "--max-errors", "1", "--json")
    assert (paused.code, paused.facts["pause"], paused.facts["rejected"]) == (5, "refusals", 2)
    ended = command(*shlex.split(paused.facts["continue_with"])[1:])
    assert (ended.code, ended.facts["issued"], ended.facts["rejected"]) == (3, 3, 2)
    assert sorted(sandbox.books().link_mails) == [f"p{n}@example.com" for n in (3, 4, 5)]


def test_an_address_is_mailed_once(command: Command, sandbox: Sandbox) -> None:
    """The vendor's answer has no link, and a second run mails nobody."""
    mailed = command(*MAIL)
    assert mailed.code == 0, mailed.err
    assert "to mail 4 links to 4 addresses, in 4 calls" in mailed.err
    assert "the links:" not in mailed.err
    assert command("links", "send", "--ledger", "m.db").code == 0
    assert sandbox.books().link_mails == {f"p{n}@example.com": 1 for n in range(4)}


@pytest.mark.parametrize(("arguments", "error"), [
    (("links", "generate", "--ledger", "l.db", "--quantity", "3"), "give --campaign-id and --expires-on for new rows"),
    (("links", "generate", "--ledger", "l.db", "--out", "x"), "--out does not fit --ledger"),
    (("links", "generate", "--ledger", "l.db", "--campaign-id", "7"), "--campaign-id is a part of each planned row"),
    ((*MAKE, "--quantity", "3"), "--quantity does not fit --file"),
    (("links", "generate", "--file", "rows.csv"), "--file needs --ledger"),
    (("links", "send", "--ledger", "m.db", "--email", "a@example.com"), "--email does not fit --ledger"),
    (("links", "send", "--ledger", "m.db", "--keep", "all"), "--keep is about new rows: give them with --file"),
    (("points", "send", "--ledger", "p.db", "--sender", "a@example.com"), "--sender is about new rows"),
    (("points", "send", "--file", "people.csv", "--ledger", "p.db"), "give --sender with --file"),
    (("links", "send", "--ledger", "nowhere.db"), "there is no ledger at nowhere.db"),
])  # fmt: skip
def test_flags_that_do_not_fit_are_refused(
    command: Command, sandbox: Sandbox, arguments: tuple[str, ...], error: str
) -> None:
    """One clear line, before anything is opened."""
    ended = command(*arguments)
    assert (ended.code, error in ended.err) == (2, True), ended.err
    assert not sandbox.books().requests
