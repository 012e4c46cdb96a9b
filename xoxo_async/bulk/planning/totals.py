"""The sums of a plan: by product and currency, with fees and discounts, beside the balance."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

import msgspec

from xoxo_async.bulk.ledger.budget import amount, units
from xoxo_async.bulk.ledger.terms import Share
from xoxo_async.services.account.replies import Balance
from xoxo_async.services.catalog.replies import Voucher
from xoxo_async.services.orders.requests import PlaceOrder

__all__ = ["PlanTotals", "ProductTotals", "Worth"]

_CENT: Final = Decimal("0.01")


class Worth(NamedTuple):
    """What one order line adds to a plan.

    Attributes:
        face: Its value, in the product's currency.
        most: What it may cost at most, in the account's currency; None when that is not known.
        reserved: The same in ten-thousandths, as a budget reserves it.
    """

    face: Decimal
    most: Decimal | None
    reserved: int | None


class ProductTotals(msgspec.Struct):
    """One product's share of a plan.

    Attributes:
        name: Its name; empty where products were not looked up.
        currency: Its values' currency.
        lines: Order lines.
        pieces: Vouchers.
        face: Their value, in `currency`.
        rate: The value of one unit of `currency` in the account's currency; None where the vendor does not say.
        fee: The vendor's fee, in percent.
        discount: The vendor's discount, in percent.
        worth: What the orders may cost at most, in ten-thousandths of the account's currency; a budget reserves it.
            None when the cost of one of them is not known.
    """

    name: str = ""
    currency: str = ""
    lines: int = 0
    pieces: int = 0
    face: Decimal = Decimal(0)
    rate: Decimal | None = None
    fee: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    worth: int | None = 0

    def reserve(self, worth: int | None) -> None:
        """Add what some orders may cost at most, in ten-thousandths; None when it is not known."""
        self.worth = None if self.worth is None or worth is None else self.worth + worth

    @classmethod
    def of(cls, product: Voucher | None, currency: str) -> "ProductTotals":
        """Return the empty share of a product.

        Args:
            product: The product; None where products were not looked up.
            currency: The account's currency; empty where it is not known.
        """
        if product is None:
            return cls()
        rate = product.exchange_rate
        if currency and product.currency_code == currency:
            rate = Decimal(1)
        return cls(
            name=product.name,
            currency=product.currency_code,
            rate=rate if currency and rate is not None and rate > 0 else None,
            fee=product.fee or Decimal(0),
            discount=product.discount or Decimal(0),
        )

    def at_most(self, face: Decimal) -> Decimal | None:
        """Return the cost of a face value before any discount, in the account's currency; None when it is not known."""
        return None if self.rate is None else face * self.rate * (1 + self.fee / 100)

    @property
    def expected(self) -> Decimal | None:
        """The cost of its share after the catalog's discount, in the account's currency; None when it is not known."""
        most = self.at_most(self.face)
        if most is None or self.rate is None:
            return None
        return (most - self.face * self.rate * self.discount / 100).quantize(_CENT, ROUND_HALF_UP)


class PlanTotals(msgspec.Struct):
    """What a job is about to send, in sums.

    Attributes:
        lines: Order lines.
        pieces: Vouchers.
        by_product: Each product's share.
        orders: Orders to send; fewer than lines where lines share them.
        withdrawn: Rows that the input no longer has, and that were withdrawn.
        unwanted: Rows in doubt that the input no longer has: they are looked up, and not sent again.
        added: Rows of the input that are new to the ledger.
        absent: Rows that were planned or sent before and that the input lacks; 0 where it brings no new ones. Withdrawn
            rows do not count. If both are above 0, the same rows may have got other keys.
        in_doubt: Rows in doubt; they are looked up, and sent again where the vendor has no order.
        skipped: Bad rows that were left out.
        problems: The problems of the skipped rows, one a line.
        warned: Rows that are sent, and that a person should look at: their receiver gets the same from another row,
            or their key may have lost zeros.
        warnings: The first of them, each with its row number and key.
        addressed: Rows with an e-mail address.
        mailed: Of these, the rows whose codes the vendor mails, because `notify_receiver` is set.
        recognised: What was recognised in the file, in words; empty for a file that a program wrote, see
            `OrdersFile.recognised`.
        balance: The account's balance; None when it was not read.
        expected_s: How long sending takes at the present limits; None without a limit.
    """

    lines: int = 0
    pieces: int = 0
    by_product: dict[int, ProductTotals] = msgspec.field(default_factory=dict)
    orders: int = 0
    withdrawn: int = 0
    unwanted: int = 0
    added: int = 0
    absent: int = 0
    in_doubt: int = 0
    skipped: int = 0
    problems: str = ""
    warned: int = 0
    warnings: tuple[str, ...] = ()
    addressed: int = 0
    mailed: int = 0
    recognised: str = ""
    balance: Balance | None = None
    expected_s: float | None = None

    def worth_of(self, order: PlaceOrder, product: Voucher | None, currency: str) -> Worth:
        """Return what an order line adds. It is the same for every line of its product, value and quantity.

        Args:
            order: The request of the line.
            product: Its product; None where products were not looked up.
            currency: The account's currency; empty where it is not known.
        """
        face = order.denomination * order.quantity
        most = self._of(order.product_id, product, currency).at_most(face)
        return Worth(face, most, units(most))

    def add(self, order: PlaceOrder, worth: Worth) -> None:
        """Count one order line in.

        Args:
            order: The request of the line.
            worth: What `worth_of` returned for a line of its product, value and quantity.
        """
        totals, quantity = self.by_product[order.product_id], order.quantity
        self.lines += 1
        self.pieces += quantity
        if order.email:
            self.addressed += 1
            self.mailed += bool(order.notify_receiver_email)
        totals.lines += 1
        totals.pieces += quantity
        totals.face += worth.face
        totals.reserve(worth.reserved)

    def _of(self, product_id: int, product: Voucher | None, currency: str) -> ProductTotals:
        """Return a product's share, a new one where there is none yet."""
        totals = self.by_product.get(product_id)
        if totals is None:
            totals = self.by_product[product_id] = ProductTotals.of(product, currency)
        return totals

    def add_share(self, share: Share, product: Voucher | None, currency: str) -> None:
        """Count in a part of what a ledger still has to send.

        Args:
            share: The part.
            product: Its product; None where products were not looked up.
            currency: The account's currency; empty where it is not known.
        """
        totals = self._of(share.product_id, product, currency)
        pieces = share.quantity * share.orders
        self.lines += share.rows
        self.orders += share.orders
        self.pieces += pieces
        self.addressed += share.addressed
        self.mailed += share.mailed
        totals.lines += share.rows
        totals.pieces += pieces
        totals.face += share.denomination * pieces
        totals.reserve(share.worth)

    @property
    def face(self) -> dict[str, Decimal]:
        """Face value by the products' currencies."""
        sums: dict[str, Decimal] = {}
        for totals in self.by_product.values():
            sums[totals.currency] = sums.get(totals.currency, Decimal(0)) + totals.face
        return sums

    @property
    def cost_at_most(self) -> Decimal | None:
        """The cost of all of it before any discount, in the account's currency; None when a rate is not known.

        It is the sum that the ledger reserves for the orders, so it is compared with a budget.
        """
        worths = [totals.worth for totals in self.by_product.values()]
        return _sum([None if worth is None else amount(worth) for worth in worths])

    @property
    def cost_expected(self) -> Decimal | None:
        """The cost of all of it after discounts, in the account's currency; None when a rate is not known."""
        return _sum([totals.expected for totals in self.by_product.values()])

    @property
    def covered(self) -> bool:
        """Whether the balance covers the expected cost; also True when cost or balance is not known."""
        cost = self.cost_expected
        return cost is None or self.balance is None or cost <= self.balance.value


def _sum(costs: list[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)).quantize(_CENT, ROUND_HALF_UP) if len(known) == len(costs) else None
