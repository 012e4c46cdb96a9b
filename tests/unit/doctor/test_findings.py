"""`findings`: a finding says what to do, and holds no secret."""

import pytest

from xoxo_async import errors
from xoxo_async.doctor.findings import Diagnosis, Finding, failed, not_run


def test_findings_are_sorted_by_status() -> None:
    """Failures and warnings are counted apart."""
    ok, warn, fail = (Finding(check=name, status=name, text="") for name in ("ok", "warn", "fail"))  # type: ignore[arg-type]
    found = Diagnosis(findings=(ok, warn, fail))
    assert (found.warnings, found.failures) == ((warn,), (fail,))


def test_secrets_are_masked_everywhere() -> None:
    """In texts, advice and facts of any depth; a word of three letters masks nothing."""
    finding = Finding(
        check="x", status="ok", text="hush a", advice="hush", facts={"a": ["hush", {"b": "hush"}], "n": 1}
    )
    masked = Diagnosis(findings=(finding,)).without(["hush", "a", ""]).findings[0]
    assert (masked.text, masked.advice) == ("*** a", "***")
    assert masked.facts == {"a": ["***", {"b": "***"}], "n": 1}


@pytest.mark.parametrize(
    ("error", "about"), [(errors.ConfigError("x\ny"), "setting"), (errors.ConnectError("x\ny"), "server")]
)
def test_an_error_is_one_line(error: errors.XoxoError, about: str) -> None:
    """A wrong setting is not the server's fault."""
    found = failed("x", error)
    assert (found.status, found.text, found.about) == ("fail", "x y", about)


def test_what_cannot_run_says_so() -> None:
    """It is no failure, and no success."""
    assert not_run("x", "no reason") == Finding(check="x", status="warn", text="not checked: no reason")
