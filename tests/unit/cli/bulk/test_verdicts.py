"""`verdicts`: a row for each line, which a spreadsheet shows and never runs."""

import csv
from pathlib import Path

import pytest

from tests.unit.bulk.proving.books import line
from xoxo_async.bulk.proving.result import Finding
from xoxo_async.cli.bulk.verdicts import verdicts_in
from xoxo_async.errors import ConfigError

DIFFERS = Finding(kind="charges", why="the charge is 1 in the ledger and 2 at the vendor")
UNKNOWN = Finding(kind="unknown", why="the history lags")


def test_every_line_has_a_row(tmp_path: Path) -> None:
    """With all that was found, and what a packed row travels in; private, and whole or absent."""
    path = tmp_path / "lines.csv"
    with verdicts_in(path) as write:
        write(line(1, key="=1+1"), [])
        write(line(2), [DIFFERS, UNKNOWN])
        write(line(3), [UNKNOWN])
        write(line(4, lines=0), [])
        assert (write.rows, path.exists()) == (4, False)
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open(newline="") as file:
        rows = [(row["key"], row["verdict"], row["why"]) for row in csv.DictReader(file)]
    assert rows == [
        ("'=1+1", "agrees", ""),
        ("k2", "differs", f"{DIFFERS.why}; {UNKNOWN.why}"),
        ("k3", "not known", UNKNOWN.why),
        ("k4", "agrees", "it travels in order 1004"),
    ]


def test_a_whole_file_replaces_an_older_one(tmp_path: Path) -> None:
    """A proof that fails leaves it as it was; a file of something else is refused."""
    path = tmp_path / "lines.csv"
    with verdicts_in(path) as write:
        write(line(1), [])
    before = path.read_bytes()

    def fail() -> None:
        with verdicts_in(path) as write:
            write(line(2), [])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])
    path.write_text("key,salary\nA,1\n")
    with pytest.raises(ConfigError, match="is there already"), verdicts_in(path):
        pass
    with pytest.raises(ConfigError, match="cannot be written"), verdicts_in(tmp_path / "none" / "x.csv"):
        pass


def test_no_file_is_asked_for() -> None:
    """Then nothing is written."""
    with verdicts_in(None) as write:
        write(line(1), [])
        assert write.rows == 0
