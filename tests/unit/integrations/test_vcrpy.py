"""`vcrpy`: a cassette holds no code, token or person, and replays what the client did."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
import vcr

from xoxo_async import ClientCredentials, PointsRecipient, RateLimits, RefreshToken, XoxoClient, errors
from xoxo_async.integrations.vcrpy import vcr_settings
from xoxo_async.sandbox import REFRESH_TOKEN, Sandbox

pytestmark = pytest.mark.anyio

EMAIL, PHONE = "anna.smith@example.com", "+91-9876543210"


class Answered:
    """What a client made of the calls of one run."""

    def __init__(self) -> None:
        self.values: list[object] = []

    async def call(self, client: XoxoClient) -> None:
        placed = await client.orders.place(
            product_id=1007, denomination=50, po_number="A", quantity=2, email=EMAIL, contact=PHONE, tag="HR"
        )
        found = await client.orders.get(po_number="A")
        page = await client.catalog.list_vouchers(product_ids=[1001])
        history = await client.orders.list_history(date(2020, 1, 1), date(2030, 1, 1))
        balance = await client.account.get_balance()
        codes = [voucher.code.reveal() for voucher in (*placed.vouchers, *found.vouchers)]
        self.values = [placed.order_id, found.amount_charged, page.items, balance, len(history.items)]
        self.values.append([codes.index(code) for code in codes])
        self.secrets = {*codes, *(voucher.pin.reveal() for voucher in placed.vouchers)}


def client_of(sandbox: Sandbox) -> XoxoClient:
    return XoxoClient(
        ClientCredentials(sandbox.client_id, sandbox.client_secret),
        base_url=sandbox.base_url,
        rate_limits=RateLimits.unlimited(),
    )


def cassette(path: Path, record_mode: str = "none") -> Any:
    return vcr.use_cassette(str(path / "calls.yaml"), **vcr_settings(record_mode=record_mode))


async def test_a_cassette_replays_without_secrets(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """The client makes the same of the replay, no request is sent, and the file holds nothing that must be guarded."""
    first, second = Answered(), Answered()
    with cassette(tmp_path, "once"):
        async with client_of(xoxo_sandbox) as client:
            await first.call(client)
    sent = len(xoxo_sandbox.requests)
    with cassette(tmp_path):
        async with client_of(xoxo_sandbox) as client:
            await second.call(client)
    assert second.values == first.values
    assert len(xoxo_sandbox.requests) == sent
    text = (tmp_path / "calls.yaml").read_text()
    guarded = {*first.secrets, *xoxo_sandbox.state.access, xoxo_sandbox.client_secret, xoxo_sandbox.client_id}
    assert "" not in guarded
    assert [value for value in (*guarded, EMAIL, "anna", "9876543210", "Bearer") if value in text] == []
    assert second.secrets == set(re.findall(r"MASKED-[0-9A-F]{16}", text)) & second.secrets


async def test_persons_tokens_and_links_are_masked(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """Points, links and a rotating pair leave neither an address, nor a link, nor a token in the file."""
    pair = RefreshToken(xoxo_sandbox.client_id, xoxo_sandbox.client_secret, REFRESH_TOKEN, store=None)
    with cassette(tmp_path, "once"):
        async with XoxoClient(pair, base_url=xoxo_sandbox.base_url) as client:
            links = await client.links.generate(campaign_id=7001, quantity=2, expires_on=date(2030, 1, 1))
            await client.links.send(campaign_id=7001, emails=[EMAIL], expires_on=date(2030, 1, 1))
            to = PointsRecipient(name="Anna Smith", email=EMAIL, amount=5, citation="for Anna")
            await client.points.send(sender_email="boss@example.com", recipients=[to])
            await client.account.check_token()
    text = (tmp_path / "calls.yaml").read_text()
    guarded = {*xoxo_sandbox.state.access, REFRESH_TOKEN, *(link.reveal() for link in links.links)}
    assert [value for value in (*guarded, "Anna", "anna", "boss", "@example") if value in text] == []
    assert "expiry" not in text.replace("link_expiry", "").replace("expiry_month", "")


async def test_a_call_without_a_recording_sends_nothing(xoxo_sandbox: Sandbox, tmp_path: Path) -> None:
    """Another order than the recorded one is vcrpy's error: nothing is sent, and it has no effect."""
    with cassette(tmp_path, "once"):
        async with client_of(xoxo_sandbox) as client:
            await client.orders.place(product_id=1001, denomination=100, po_number="A")
    with cassette(tmp_path):
        async with client_of(xoxo_sandbox) as client:
            with pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException) as raised:
                await client.orders.place(product_id=1001, denomination=100, po_number="B")
    assert errors.effect_of(raised.value) == "none"
    assert xoxo_sandbox.books().orders == 1


@pytest.mark.parametrize("kind", ["duplicate_answer", "error_5xx_after", "not_json"])
async def test_refusals_are_replayed_as_they_were(xoxo_sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    """After a fault the same look-up follows, and it finds the same order; a refusal keeps its class and its id."""
    xoxo_sandbox.script(kind, first=1)
    seen: list[object] = []
    for mode in ("once", "none"):
        with cassette(tmp_path, mode):
            async with client_of(xoxo_sandbox) as client:
                try:
                    seen.append((await client.orders.place(product_id=1001, denomination=100, po_number="A")).order_id)
                except errors.ApiError as error:
                    seen.append((type(error), error.error_id, error.effect))
                with pytest.raises(errors.NotAllowedError):
                    await client.orders.place(product_id=1012, denomination=500, po_number="B")
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ({"code": 422, "errorId": "PLE10004", "errorInfo": "A of anna@example.com"}, ["PLE10004", "masked"]),
        ({"error": "invalid_token", "error_description": "token abc"}, ["invalid_token", "masked"]),
        ({"vouchers": [{"code": 12345678, "pin": 1234, "newField": "SECRET"}]}, ["MASKED-"]),
        ({"data": {"getVouchers": {"data": [{"perk": {"code": "save", "link": "http:"}, "name": "Shop"}]}}}, ["Shop"]),
    ],
)
def test_what_is_not_known_is_masked(body: object, kept: list[str]) -> None:
    """Fields that the vendor may add are masked, numbers too where they may be cash; a refusal keeps its words."""
    answer = {"status": {"code": 200}, "headers": {"Set-Cookie": ["a"]}, "body": {"string": msgspec.json.encode(body)}}
    masked = vcr_settings()["before_record_response"](answer)
    text = masked["body"]["string"].decode()
    assert all(word in text for word in kept)
    gone = ("anna", "token abc", "12345678", "1234,", "SECRET", "save", "http:")
    assert [word for word in gone if word in text] == []
    assert masked["headers"] == {}
    assert vcr_settings()["before_record_response"](masked) == masked
