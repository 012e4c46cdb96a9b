"""Mutated workbooks and CSV files give rows or one clear error; no other exception, no hang, no growth of memory.

`XOXO_FUZZ_S=900 python -m tests.fuzz.test_readers` runs for so many seconds and says what came out.
"""

import collections
import os
import pathlib
import random
import re
import resource
import sys
import tempfile
import time

import pytest

from tests.fuzz.mutations import mutated
from xoxo_async.bulk import read_orders
from xoxo_async.errors import ConfigError, PlanError

_FILES = pathlib.Path(__file__).parent / "files"
_MOST_MEMORY = 200 * 2**20
_MOST_S = 60.0
_WORDS = re.compile(r"[a-z]{3,}")


def _outcome(path: pathlib.Path) -> str:
    """Read a file; return what came out, without the figures."""
    started = time.monotonic()
    try:
        rows = sum(1 for _ in read_orders(path, keep="all"))
        outcome = "rows" if rows else "no rows"
    except (PlanError, ConfigError) as error:
        text = str(error).removeprefix(str(path)).splitlines()[0]
        assert "Traceback" not in text
        outcome = " ".join(_WORDS.findall(text.partition("found")[0])[:7])
    assert time.monotonic() - started < _MOST_S, "took too long"
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert memory < _MOST_MEMORY, f"took {memory:,} bytes"
    return outcome


def _run(seconds: float, seed: int, folder: pathlib.Path, say: bool = False) -> collections.Counter[str]:
    outcomes: collections.Counter[str] = collections.Counter()
    sources = {path: path.read_bytes() for path in sorted(_FILES.iterdir())}
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        chance = random.Random(f"{seed}/{number}")
        source = chance.choice(list(sources))
        path = folder / f"mutated{source.suffix}"
        path.write_bytes(mutated(sources[source], chance))
        try:
            outcomes[_outcome(path)] += 1
        except BaseException as error:
            kept = folder / f"found-{seed}-{number}{source.suffix}"
            path.rename(kept)
            what = f"{source.name}, seed {seed}/{number}: {type(error).__name__}: {error}; the file is {kept}"
            if not say or isinstance(error, KeyboardInterrupt):
                raise AssertionError(what) from error
            sys.stdout.write(f"{what}\n")
            sys.stdout.flush()
            outcomes[f"FOUND {type(error).__name__}"] += 1
    return outcomes


@pytest.mark.nightly
def test_mutated_files_give_rows_or_an_error(tmp_path: pathlib.Path) -> None:
    """Every mutation of a real file is read or refused in one clear line, in bounded time and memory."""
    outcomes = _run(120, random.SystemRandom().randrange(2**32), tmp_path)
    assert outcomes["rows"], "some mutations change nothing that counts"
    assert len(outcomes) > 5, "and others are found out in many ways"


def _main() -> None:
    seconds, seed = float(os.environ.get("XOXO_FUZZ_S", "60")), int(os.environ.get("XOXO_FUZZ_SEED", "1"))
    outcomes = _run(seconds, seed, pathlib.Path(tempfile.mkdtemp(prefix="fuzz")), say=True)
    for outcome, times in outcomes.most_common():
        sys.stdout.write(f"{times:7,}  {outcome}\n")
    sys.stdout.write(f"{sum(outcomes.values()):7,}  in all; memory of the reading process at most"
          f" {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB, of this one"
          f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB\n")  # fmt: skip


if __name__ == "__main__":
    _main()
