"""`plugin`: every test can use the fixtures `xoxo_sandbox` and `xoxo_client`, and gets its own.

What other plugins make of it is tried by pytest in this process, with the plugins that each test names.
"""

import subprocess
import sys

import pytest

from xoxo_async import XoxoClient
from xoxo_async.sandbox import Sandbox

ORDER = """
    async with xoxo_client as xoxo:
        await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    assert xoxo_sandbox.books().orders == 1
"""
WITHOUT_MARK = f"async def test_order(xoxo_client, xoxo_sandbox):{ORDER}"


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Run pytest with no plugins but those of the test, and with warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = -p xoxo_async.sandbox.plugin --strict-markers\nfilterwarnings = error\n")
    return pytester


@pytest.mark.anyio
async def test_the_client_is_connected_to_the_sandbox(xoxo_client: XoxoClient, xoxo_sandbox: Sandbox) -> None:
    """An order placed by the client is in the books of the sandbox."""
    async with xoxo_client as xoxo:
        order = await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    booked = xoxo_sandbox.order("PO-1")
    assert booked is not None
    assert booked.order_id == order.order_id


@pytest.mark.anyio
@pytest.mark.parametrize("number", [1, 2])
async def test_no_test_finds_what_another_one_left(xoxo_client: XoxoClient, xoxo_sandbox: Sandbox, number: int) -> None:
    """Each test starts with empty books, whichever of them runs first."""
    assert xoxo_sandbox.books().orders == 0
    async with xoxo_client as xoxo:
        await xoxo.orders.place(product_id=1001, denomination=100, po_number=f"PO-{number}")
    assert xoxo_sandbox.books().by_po_number == {f"PO-{number}": 1}


def test_the_sandbox_serves_tests_without_a_loop(xoxo_sandbox: Sandbox) -> None:
    """A test without an event loop can script faults and read the books."""
    xoxo_sandbox.script("throttle")
    assert xoxo_sandbox.base_url.startswith("http://127.0.0.1:")


@pytest.mark.anyio
@pytest.mark.xoxo_sandbox(balance=500, faults={"commit_then_reset": 1.0})
async def test_a_marker_gives_the_settings(xoxo_client: XoxoClient, xoxo_sandbox: Sandbox) -> None:
    """The balance and the faults are those of the marker, and the client is connected to that sandbox."""
    async with xoxo_client as xoxo:
        await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
        assert (await xoxo.account.get_balance()).value < 500
    sent = [request.operation for request in xoxo_sandbox.requests]
    assert sent[:2] == ["placeOrder", "getOrderDetails"]


def test_a_wrong_setting_is_named(inner: pytest.Pytester) -> None:
    """A marker with a setting that the sandbox has not fails its own test, and no other."""
    inner.makepyfile("""
        import pytest
        @pytest.mark.xoxo_sandbox(sed=3)
        def test_wrong(xoxo_sandbox): pass
        def test_right(xoxo_sandbox): pass
    """)
    result = inner.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*unexpected keyword argument 'sed'*"])


def test_pytest_loads_the_plugin_alone() -> None:
    """A run in which nobody asks for a fixture imports the plugin and its packages, and no library."""
    code = """
import sys, types, typing, importlib
class Pytest(types.ModuleType):  # the real one takes long, and is there in every run
    def __getattr__(self, name):
        return lambda function: function
sys.modules["pytest"] = Pytest("pytest")
before = set(sys.modules)
import xoxo_async.sandbox.plugin
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        f"xoxo_async{name}" for name in ("", ".public_names", ".sandbox", ".sandbox.plugin", ".version")
    ]


@pytest.mark.parametrize(("mode", "body"), [("strict", "import pytest\n@pytest.mark.asyncio\n"), ("auto", "")])
def test_the_fixtures_work_with_pytest_asyncio(inner: pytest.Pytester, mode: str, body: str) -> None:
    """In both modes a test of pytest-asyncio uses the fixtures, and a fixture of its own keeps one client open."""
    pytest.importorskip("pytest_asyncio")
    inner.makepyfile(f"""{body}{WITHOUT_MARK}
import pytest_asyncio
@pytest_asyncio.fixture
async def xoxo(xoxo_client):
    async with xoxo_client as opened:
        yield opened

{body}async def test_open(xoxo, xoxo_sandbox):
    await xoxo.orders.place(product_id=1001, denomination=100, po_number="PO-1")
    assert xoxo_sandbox.books().orders == 1
""")
    scope = "asyncio_default_fixture_loop_scope=function"
    result = inner.runpytest_inprocess("-p", "pytest_asyncio.plugin", "-o", scope, f"--asyncio-mode={mode}")
    result.assert_outcomes(passed=2)


def test_trio_is_refused_in_a_sentence(inner: pytest.Pytester) -> None:
    """Where trio is installed anyio runs a test on both: on trio the call is refused, and no order is in doubt."""
    pytest.importorskip("trio")
    inner.makepyfile(f"import pytest\n@pytest.mark.anyio\n{WITHOUT_MARK}")
    result = inner.runpytest_inprocess("-p", "anyio")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *ConfigError: *runs on asyncio*not trio*"])
    result.stdout.no_fnmatch_line("*may or may not exist*")
