"""`faults`: a rule matches the requests it names; a rule that is not valid is refused by its number and field."""

from pathlib import Path
from typing import Any

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
def test_an_invalid_rule_is_refused(fields: dict[str, object], problem: str) -> None:
    """A spelling mistake in a rule is an error: otherwise the server would look like one without faults."""
    with pytest.raises(FaultError, match=problem):
        Rule(**fields)  # type: ignore[arg-type]
    with pytest.raises(FaultError, match=problem):
        Sandbox().script(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "hit"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"first": 2}, [1, 2]),
        ({"nth": 3}, [3]),
        ({"every": 2}, [2, 4]),
        ({"po_number": "PO-4"}, [4]),
        ({"operation": "getOrderDetails"}, []),
        ({"operation": ""}, [1, 2, 3, 4, 5]),
    ],
)
def test_a_rule_hits_the_requests_it_names(fields: dict[str, Any], hit: list[int]) -> None:
    """Without an operation a rule is for placeOrder; with an empty one it is for all operations."""
    rule = Rule(kind="throttle", **fields)
    assert [number for number in range(1, 6) if rule.hits("placeOrder", f"PO-{number}")] == hit


def test_a_rule_may_be_for_one_address() -> None:
    """Requests that name others do not match, and the case of the address makes no difference."""
    rule = Rule(kind="garbage", operation="sendBalance", email="Ada@b.example", first=1)
    asked: list[set[str]] = [set(), {"bob@b.example"}, {"bob@b.example", "ada@b.example"}, {"ada@b.example"}]
    assert [rule.hits("sendBalance", "", emails) for emails in asked] == [False, False, True, False]


def test_a_mix_may_be_for_another_operation() -> None:
    """Then no order gets a fault of it; an operation that is not known is an error."""
    faults = Faults(mix={"html_502": 1.0}, operation="sendBalance")
    assert faults.pick("placeOrder", "PO-1") is None
    assert faults.pick("sendBalance", "") is not None
    with pytest.raises(FaultError, match="operation"):
        Faults(mix={"html_502": 1.0}, operation="sendPoints")


def test_a_rule_counts_only_matching_requests() -> None:
    """Look-ups between the orders do not make the second order the fourth request."""
    rule = Rule(kind="throttle", nth=2, po_number="A")
    asked = [
        ("getBalance", ""),
        ("placeOrder", "A"),
        ("placeOrder", "B"),
        ("getOrderDetails", "A"),
        ("placeOrder", "A"),
    ]
    assert [rule.hits(*one) for one in asked] == [False, False, False, False, True]


def test_the_first_rule_that_hits_is_taken() -> None:
    """The next rule matches when the first one is used up, and rules come before the mix."""
    faults = Faults((Rule(kind="garbage", first=1), Rule(kind="truncated")), mix={"html_502": 1.0})
    assert [picked.kind for _ in range(2) if (picked := faults.pick("placeOrder", "A"))] == ["garbage", "truncated"]


def test_a_mix_is_repeatable_and_for_orders_only() -> None:
    """One seed draws the same faults, about as often as each share says, and only for placeOrder."""

    def drawn(seed: int) -> list[str]:
        faults = Faults(mix={"html_502": 0.3, "garbage": 0.2}, seed=seed)
        picked = [faults.pick("placeOrder", f"PO-{number}") for number in range(1000)]
        assert faults.pick("getBalance", "") is None
        return [rule.kind if rule else "" for rule in picked]

    assert drawn(3) == drawn(3) != drawn(4)
    assert 200 < drawn(3).count("html_502") < 400
    assert 100 < drawn(3).count("garbage") < 300


@pytest.mark.parametrize("kind", ["lagging_lookup", "restart"])
def test_a_fault_of_no_order_is_not_drawn(kind: str) -> None:
    """A mix holds only faults of single orders."""
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
def test_an_invalid_faults_file_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    """The error names the rule and the field that are wrong."""
    path = tmp_path / "l.json"
    path.write_text(text)
    with pytest.raises(FaultError, match=problem):
        load_faults(path)


def test_a_faults_file_has_rules_and_a_mix(tmp_path: Path) -> None:
    """A file has the fields of `Rule` and `Faults`."""
    path = tmp_path / "l.json"
    path.write_text(
        '{"rules": [{"kind": "throttle", "operation": "", "first": 1}], "mix": {"garbage": 1.0}, "seed": 3,'
        ' "operation": "sendBalance"}'
    )
    loaded = load_faults(path)
    picked = [loaded.pick("sendBalance", "") for _ in range(2)]
    assert [rule.kind for rule in picked if rule] == ["throttle", "garbage"]


def test_every_kind_is_in_the_table() -> None:
    """The module's table, which users read, has a row for every kind."""
    assert [kind for kind in sorted(KINDS) if kind not in str(faults.__doc__)] == []
