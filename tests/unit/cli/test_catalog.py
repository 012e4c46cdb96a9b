"""`catalog`: filters and vouchers are printed as a table, and as JSON."""

from tests.unit.cli.in_process import Command
from xoxo_async.sandbox import Sandbox


def test_filters_are_listed_with_their_group(command: Command, sandbox: Sandbox) -> None:
    """Each value has a row, and --group selects one group."""
    everything, one = command("catalog", "filters"), command("catalog", "filters", "--group", "country", "--json")
    header, *rows = (line.split("\t") for line in everything.out.splitlines())
    assert header == ["group", "code", "value", "iso"]
    assert {row[0] for row in rows} > {"country"}
    assert [group["filter_group_code"] for group in one.facts["filters"]] == ["country"]


def test_vouchers_are_listed_with_what_orders_need(command: Command, sandbox: Sandbox) -> None:
    """Each product has its id and its denominations, and --limit limits the rows."""
    listed = command("catalog", "vouchers", "--limit", "2")
    _header, *rows = (line.split("\t") for line in listed.out.splitlines())
    assert (listed.code, len(rows)) == (0, 2)
    one = command("catalog", "vouchers", "--product-id", "1001", "--json").facts["vouchers"]
    assert [voucher["product_id"] for voucher in one] == [1001]


def test_a_range_of_values_is_shown_as_one(command: Command, sandbox: Sandbox) -> None:
    """The lowest and the highest value are printed for a product that allows every value between them."""
    product = next(one for one in sandbox.state.products.values() if one.open_value)
    listed = command("catalog", "vouchers", "--product-id", str(product.id))
    assert " to " in listed.out.splitlines()[1].split("\t")[4]


def test_a_country_has_many_names(command: Command, sandbox: Sandbox) -> None:
    """Its name, its ISO code and its filter code list the same products; another word lists the countries."""
    found = [
        command("catalog", "vouchers", "--country", name, "--limit", "3", "--json").facts["vouchers"]
        for name in ("India", "india", "IN")
    ]
    assert found[0]
    assert found[0] == found[1] == found[2]
    wrong = command("catalog", "vouchers", "--country", "Atlantis")
    assert (wrong.code, wrong.err) == (
        2,
        "error: the catalog has no country 'Atlantis'; it has: Germany, India, UAE, USA, United Kingdom\n",
    )
