"""`wire.pydantic_schema`: FastAPI and Litestar return replies, mask them, and document them."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.unit.wire.orders import CODE, EMAIL, PIN, order
from xoxo_async import Order, Page
from xoxo_async.bulk.report import Report
from xoxo_async.services.account import Balance
from xoxo_async.services.catalog import Voucher

pydantic = pytest.importorskip("pydantic")


def adapter(kind: Any) -> Any:
    return pydantic.TypeAdapter(kind)


def test_pydantic_writes_and_reads_replies() -> None:
    """An order is written masked; what an app has revealed by name is accepted in its place."""
    orders = adapter(Order)
    made = orders.validate_python(order())
    assert orders.dump_python(made) == order().to_dict()
    revealed = order().to_dict(reveal={"code"})
    assert orders.dump_python(orders.validate_python(revealed))["vouchers"][0]["code"] == CODE
    with pytest.raises(pydantic.ValidationError):
        orders.validate_python({"order_id": "none"})


def test_a_reply_may_stand_among_objects() -> None:
    """As one value of a dict of objects, under any kind of its own; a page as well."""
    page = Page(items=(order(),), number=1, limit=1)
    plain = {"order": order().to_dict(), "page": page.to_dict()}
    values = {"order": order(), "page": page}
    for kind in (dict[str, object], dict[str, Any]):
        assert adapter(kind).dump_python(values, mode="json") == plain
        assert json.loads(adapter(kind).dump_json(values)) == plain


def test_the_schema_has_the_shown_names() -> None:
    """Amounts and dates are texts with a format, secrets say that they are masked, and parts stand by themselves."""
    schema = adapter(Order).json_schema(mode="serialization")
    fields = schema["properties"]
    assert fields["order_total"]["anyOf"][0]["format"] == "decimal"
    assert fields["order_date"]["anyOf"][0]["format"] == "date-time"
    voucher = schema["$defs"]["VoucherCode"]["properties"]
    assert "masked" in voucher["code"]["description"]
    assert voucher["valid_to"]["anyOf"][0]["format"] == "date"
    assert schema["$defs"]["VoucherCode"]["description"] == "One voucher. Whoever reads its code can spend it."
    assert set(fields) == set(order().to_dict())


@pytest.mark.parametrize("kind", [Page[Voucher], Page[Order], Report, list[Balance], Balance | None])
def test_pages_reports_and_lists_have_schemas(kind: Any) -> None:
    """A page's items have the schema of their class."""
    schema = adapter(kind).json_schema(mode="serialization")
    if kind == Page[Voucher]:
        assert schema["properties"]["items"]["items"] == {"$ref": "#/$defs/Voucher"}
        assert adapter(kind).dump_python(Page((Voucher(product_id=1),), 1, 9))["items"][0]["product_id"] == 1


@pytest.mark.filterwarnings("ignore:Using .httpx. with")
def test_fastapi_returns_an_order() -> None:
    """`response_model=Order` masks, and stands in OpenAPI."""
    fastapi = pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    app = fastapi.FastAPI()
    app.get("/order", response_model=Order)(order)
    app.get("/revealed", response_model=Order)(lambda: order().to_dict(reveal=True))
    client = TestClient(app)
    shown = client.get("/order").text
    assert not any(secret in shown for secret in (CODE, PIN, EMAIL))
    assert (
        client.get("/revealed").json()["vouchers"][0] | {"code": CODE, "pin": PIN}
        == (client.get("/revealed").json()["vouchers"][0])
    )
    document = client.get("/openapi.json").json()
    answer = document["paths"]["/order"]["get"]["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/Order"}
    assert "VoucherCode" in document["components"]["schemas"]


@pytest.mark.nightly
def test_litestar_returns_an_order() -> None:
    """`-> Order` is written by msgspec, masked, and stands in OpenAPI."""
    litestar = pytest.importorskip("litestar")

    async def read() -> Order:
        return order()

    app = litestar.Litestar([litestar.get("/order")(read)])
    components = app.openapi_schema.to_schema()["components"]["schemas"]
    order_schema = next(schema for name, schema in components.items() if name.endswith("Order"))
    assert {"orderId", "vouchers", "orderTotal"} <= set(order_schema["properties"])
    assert json.loads(msgspec.json.encode(order()))["orderId"] == 7


def test_amounts_are_texts() -> None:
    """JSON from pydantic keeps every digit."""
    assert adapter(Balance).dump_json(Balance(value=Decimal("0.10"))) == b'{"value":"0.10","currency":"","points":null}'


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"exclude": {"vouchers"}}, {"order_id": 7, "email": "****"}),
        ({"include": {"order_id", "vouchers"}}, {"order_id": 7, "pins": ["****"], "codes": ["****ABCD"]}),
        ({"include": {"vouchers": {0: {"code"}}}}, {"codes": ["****ABCD"]}),
        ({"include": {"vouchers": {0: ...}}, "exclude": {"vouchers": {"__all__": {"code"}}}}, {"pins": ["****"]}),
        ({"include": {"vouchers": {1}}}, {}),
        ({"include": {"vouchers": {-1: {"code"}}}}, {"codes": ["****ABCD"]}),
        ({"include": {"vouchers": {-1}}, "exclude": {"vouchers": {-1: {"code"}}}}, {"pins": ["****"]}),
        ({"include": {"vouchers": {-2}}}, {}),
    ],
)
def test_an_app_leaves_fields_out(chosen: dict[str, Any], found: dict[str, Any]) -> None:
    """As FastAPI's `response_model_exclude` and `response_model_include` say, at any depth."""
    shown = adapter(Order).dump_python(order(), **chosen)
    vouchers = shown.get("vouchers", [])
    lists = {f"{name}s": [voucher[name] for voucher in vouchers if name in voucher] for name in ("pin", "code")}
    plain = {name: shown[name] for name in ("order_id", "email") if name in shown}
    assert plain | {name: values for name, values in lists.items() if values} == found


def test_an_app_leaves_nothing_out_by_none() -> None:
    """`exclude_none` drops what the vendor did not say; None is otherwise shown."""
    assert "tag" in adapter(Order).dump_python(order())
    shown = adapter(Order).dump_python(order(), exclude_none=True)
    assert "tag" not in shown
    assert None not in shown.values()
    assert None not in shown["vouchers"][0].values()
