"""Codes, PINs, tokens and secrets: in no log, repr, error or traceback."""

import asyncio
import copy
import io
import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from xoxo_async import ClientCredentials, LoggingHook, RateLimits, XoxoClient, XoxoError
from xoxo_async.bulk import BulkIssuer, OrderLine, SqliteLedger
from xoxo_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything any logger says, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def client_of(sandbox: Sandbox, secret: str = "") -> XoxoClient:
    return XoxoClient(
        ClientCredentials(sandbox.client_id, secret or sandbox.client_secret),
        base_url=sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
        hooks=[LoggingHook()],
    )


def secrets_of(sandbox: Sandbox) -> set[str]:
    """Everything that must not be seen."""
    codes = {part for order in sandbox.state.orders.values() for pair in order.codes for part in pair if part}
    links = {link for _, link in sandbox.state.links}
    return codes | links | set(sandbox.state.access) | {sandbox.client_secret}


async def test_nothing_shows_a_secret(xoxo_sandbox: Sandbox, logged: io.StringIO, tmp_path: Path) -> None:
    """Orders, errors with their local variables, links, tokens and a whole bulk run, with every logger at DEBUG."""
    asyncio.get_running_loop().set_debug(True)
    seen: list[object] = []
    async with client_of(xoxo_sandbox) as client:
        order = await client.orders.place(product_id=1007, denomination=50, po_number="A", quantity=2)
        seen += [order, order.vouchers[0], f"{order.vouchers[0].code}", copy.deepcopy(order), client, order.raw]
        for kind in ("wrong_types", "truncated", "not_json", "no_order_id", "commit_then_reset", "duplicate_answer"):
            xoxo_sandbox.script(kind, first=1)
            seen.append(await client.orders.place(product_id=1002, denomination=150, po_number=kind))
        xoxo_sandbox.script("wrong_types", operation="getOrderDetails", first=1)
        try:
            await client.orders.get(po_number="A")
        except XoxoError as error:
            seen.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
        seen.append(await client.links.generate(campaign_id=7001, quantity=2, expires_on=date(2027, 1, 1)))
        seen.append(await client.account.check_token())
        async with SqliteLedger(tmp_path / "l.db") as ledger:
            lines = [
                OrderLine(key=str(n), product_id=1007, denomination=order.vouchers[0].amount or 0) for n in range(9)
            ]
            seen.append(await BulkIssuer(client, ledger, job="j", settle_s=0).run(lines))
            seen += [line async for line in ledger.lines(with_codes=True)]
    async with client_of(xoxo_sandbox, secret="wrong-secret-42") as client:
        with pytest.raises(XoxoError) as caught:
            await client.account.get_balance()
        seen.append("".join(traceback.format_exception(caught.value)))
    text = logged.getvalue() + "\n".join(f"{item!r} {item}" for item in seen)
    hidden = secrets_of(xoxo_sandbox) | {"wrong-secret-42"}
    assert len(hidden) > 20
    # A PIN has six digits, which addresses and times hold by chance: only where it stands by itself is it shown.
    alone = {secret: rf"(?<![\w.]){secret}(?![\w.])" if secret.isdigit() else re.escape(secret) for secret in hidden}
    assert [secret for secret, shown in alone.items() if re.search(shown, text)] == []


async def test_an_order_cannot_be_pickled(xoxo_sandbox: Sandbox) -> None:
    """Codes do not slip into a cache or a queue unseen."""
    async with client_of(xoxo_sandbox) as client:
        order = await client.orders.place(product_id=1001, denomination=100, po_number="A")
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(order)
