"""`integrations.prometheus`: what is counted, labels with few values, and a dashboard that asks for what there is."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from xoxo_async.hooks import (
    AttemptEnded,
    AttemptStarted,
    CallFinished,
    CallQueued,
    Penalised,
    TokenNotRenewed,
    TokenRenewed,
)
from xoxo_async.integrations.prometheus import PrometheusHook

DASHBOARD = Path(__file__).parents[3] / "docs" / "how-to" / "grafana-dashboard.json"
URL = "https://x/chef/v1/oauth/api"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


def test_a_call_is_counted_with_its_attempts(registry: CollectorRegistry) -> None:
    """Duration, wait, allowance and status of each attempt; one call."""
    hook = PrometheusHook(registry)
    of = {"operation": "placeOrder", "call_id": "a-1"}
    hook(CallQueued(**of))
    assert value(registry, "xoxo_calls_active") == 1
    for status, error in ((429, "RateLimitedError"), (200, "")):
        hook(AttemptStarted(**of, attempt=1, queued_s=1.0, method="POST", url=URL, per_minute=100))
        hook(AttemptEnded(**of, attempt=1, elapsed_s=0.2, method="POST", url=URL, status=status, error=error))
    hook(Penalised(**of, wait_s=60.0))
    hook(TokenRenewed(expires_at=1_800_000_000.0))
    hook(TokenNotRenewed(error="AuthError", status=500))
    hook(CallFinished(**of, attempts=2, elapsed_s=3.0))
    assert value(registry, "xoxo_calls_active") == 0
    assert value(registry, "xoxo_call_seconds_count", operation="placeOrder", outcome="ok") == 1
    assert value(registry, "xoxo_call_seconds_sum", operation="placeOrder", outcome="ok") == 3
    assert value(registry, "xoxo_queue_seconds_sum", operation="placeOrder") == 2
    assert value(registry, "xoxo_attempt_seconds_count", operation="placeOrder", status="429") == 1
    assert value(registry, "xoxo_attempt_seconds_count", operation="placeOrder", status="200") == 1
    assert value(registry, "xoxo_allowance_used_total", operation="placeOrder") == 2
    assert value(registry, "xoxo_allowance_per_minute", operation="placeOrder") == 100
    assert value(registry, "xoxo_penalties_total", operation="placeOrder") == 1
    assert value(registry, "xoxo_tokens_failed_total", outcome="AuthError") == 1
    assert value(registry, "xoxo_token_expiry_timestamp_seconds") == 1_800_000_000


def test_labels_have_few_values(registry: CollectorRegistry) -> None:
    """Operations of a caller's own and errors of a caller's session do not make series without end."""
    hook = PrometheusHook(registry)
    for number in range(2_000):
        of = {"operation": f"own{number}", "call_id": f"a-{number}", "po_number": f"PO-{number}"}
        hook(AttemptEnded(**of, attempt=1, elapsed_s=0.1, method="POST", url=URL, error=f"Own{number}"))
        hook(CallFinished(**of, attempts=1, elapsed_s=0.1, error=f"Own{number}"))
    exposed = generate_latest(registry).decode()
    assert exposed.count("xoxo_call_seconds_count{") == 51
    assert 'operation="other",outcome="other"' in exposed
    assert "PO-" not in exposed
    assert len(hook._kept) <= 1_000


def _asked() -> set[str]:
    """The metrics that the dashboard's queries name."""
    board: dict[str, Any] = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(queries) > 15
    return {name for query in queries for name in re.findall(r"xoxo_\w+", query)}


def test_the_dashboard_asks_for_metrics_that_exist(registry: CollectorRegistry) -> None:
    """Each name in a query is one that the hook exposes, and no metric of the hook is left out."""
    PrometheusHook(registry)
    made: dict[str, set[str]] = {}
    for family in registry.collect():
        endings = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}.get(family.type, ("",))
        made[family.name] = {family.name + ending for ending in endings}
    assert _asked() <= set().union(*made.values())
    assert {family for family, names in made.items() if not names & _asked()} == set()


def test_the_dashboards_labels_exist(registry: CollectorRegistry) -> None:
    """What a query groups by or filters is a label of the metrics."""
    PrometheusHook(registry)
    text = DASHBOARD.read_text()
    used = {label for group in re.findall(r"by \(([\w, ]+)\)", text) for label in group.split(", ")}
    used |= set(re.findall(r'[{,](\w+)=\\"', text)) | set(re.findall(r"\{\{(\w+)\}\}", text))
    assert used == {"operation", "outcome", "status", "state", "le"}


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("prometheus", "prometheus_client", "prometheus"),
        ("opentelemetry", "opentelemetry", "opentelemetry"),
        ("structlog", "structlog", "structlog"),
    ],
)
def test_a_missing_library_is_named_with_its_extra(module: str, missing: str, extra: str, monkeypatch: Any) -> None:
    """The error says what to install."""
    name = f"xoxo_async.integrations.{module}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"pip install 'xoxo-async\[{extra}\]'"):
        __import__(name)


TWO_WORKERS = """
import sys
from xoxo_async.hooks import CallFinished, CallQueued
from xoxo_async.integrations.prometheus import PrometheusHook

hook, of = PrometheusHook(), {"operation": "placeOrder", "call_id": "a"}
hook(CallQueued(**of))
hook(CallFinished(**of, attempts=1, elapsed_s=0.1))
"""


def test_workers_share_their_metrics(tmp_path: Path) -> None:
    """With PROMETHEUS_MULTIPROC_DIR, what two processes have counted is added up."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", TWO_WORKERS], env=environment, check=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))
    assert value(registry, "xoxo_call_seconds_count", operation="placeOrder", outcome="ok") == 2
    assert value(registry, "xoxo_calls_active") == 0
