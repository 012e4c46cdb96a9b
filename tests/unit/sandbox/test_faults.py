"""`sandbox.faults`: rules that make no sense are refused, naming rule and field."""

from pathlib import Path

import pytest

from xoxo_async.sandbox import Faults, Rule, Sandbox, faults
from xoxo_async.sandbox.faults import KINDS, FaultError, load_faults


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "explode"}, "kind: 'explode' is unknown"),
        ({"kind": "throttle", "operation": "placeOder"}, "operation: 'placeOder' is unknown"),
        ({"kind": "throttle", "seconds": -1}, "seconds"),
        ({"kind": "error_5xx_after", "status": 200}, "status"),
        ({"kind": "throttle", "first": 0}, "first"),
    ],
)
def test_a_rule_that_could_never_hit_is_refused(fields: dict[str, object], problem: str) -> None:
    """A typing error in a test of yours must not look like a server without faults."""
    with pytest.raises(FaultError, match=problem):
        Rule(**fields)  # type: ignore[arg-type]
    with pytest.raises(FaultError, match=problem):
        Sandbox().script(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["lagging_lookup", "restart"])
def test_what_befalls_no_single_order_is_not_drawn(kind: str) -> None:
    """A mix is of faults that orders meet."""
    with pytest.raises(FaultError, match=kind):
        Faults(mix={kind: 0.1})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "l.json"),
        ("{", "l.json"),
        ('{"rules": [{"kind": "throttle"}, {"kind": "nope"}]}', "rule 2: kind"),
        ('{"rules": [{"kind": "throttle", "whatever": 1}]}', "rule 1"),
        ('{"mix": {"html_502": 2}}', "html_502"),
        ('{"mix": {"html_502": 0.6, "garbage": 0.6}}', "more than 1"),
        ('{"other": 1}', "l.json"),
    ],
)
def test_a_faults_file_is_refused_by_rule_and_field(tmp_path: Path, text: str, problem: str) -> None:
    """What is wrong is named, and no server starts."""
    path = tmp_path / "l.json"
    path.write_text(text)
    with pytest.raises(FaultError, match=problem):
        load_faults(path)


def test_every_kind_is_in_the_table() -> None:
    """The module's table is what users read: no fault without its row."""
    assert [kind for kind in sorted(KINDS) if kind not in str(faults.__doc__)] == []
