"""The sandbox's books: balance, orders, points, links and tokens, in memory or in a file that survives kill -9."""

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final, Literal

import msgspec

from xoxo_async.sandbox.links_book import BookedLinks, LinksBook
from xoxo_async.sandbox.points_book import BookedCredit, Gift, PointsBook
from xoxo_async.sandbox.products import Product, make_products

__all__ = ["BookedOrder", "Books", "State"]

_MODE: Final = 0o600
_CENT: Final = Decimal("0.01")
_POINTS_A_RUPEE: Final = 10
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT;
"""


class BookedOrder(msgspec.Struct):
    """A booked order.

    Attributes:
        order_id: The order id.
        po_number: The poNumber; empty if the request had none.
        product_id: The productId.
        quantity: The number of pieces.
        denomination: The value of one piece, in the product's currency.
        charged: The sum that the account paid, in INR.
        total: The price before the discount, in INR.
        discount: The discount, in INR.
        email: The receiver's e-mail address.
        contact: The receiver's phone number.
        tag: The tag.
        placed_at: When it was placed, in seconds since the epoch.
        codes: A pair of code and PIN for each piece.
        due_at: When it is delivered, in seconds since the epoch; 0 means at once.
        mails: How many voucher e-mails were sent.
    """

    order_id: int
    po_number: str
    product_id: int
    quantity: int
    denomination: Decimal
    charged: Decimal
    total: Decimal
    discount: Decimal
    email: str
    contact: str
    tag: str
    placed_at: float
    codes: tuple[tuple[str, str], ...]
    due_at: float = 0.0
    mails: int = 0

    @property
    def day(self) -> str:
        """The day it was placed, in UTC."""
        return datetime.fromtimestamp(self.placed_at, UTC).strftime("%Y-%m-%d")


class Books(msgspec.Struct, frozen=True):
    """The sandbox's own count. A test compares it with the results of the code under test.

    Attributes:
        orders: The number of booked orders.
        pieces: The number of vouchers in them.
        duplicates: poNumbers that were booked more than once, with the number of orders. Each is money lost.
        charged: The cost of all orders, in INR.
        balance: The rest of the balance, in INR.
        mails: How many voucher e-mails were sent.
        requests: The number of requests, by operation. Token requests count under `token`.
        by_po_number: The number of orders, by poNumber. An order without one counts under `#` and its order id.
        credits: All credits of points, with the call that made each.
        points: What each receiver has, by address in small letters: credits that are not cancelled.
        points_given: All of that.
        points_left: The points that the account has left to give.
        links: The links of each call that made or mailed any.
        link_mails: The number of links that were mailed, by address as it was sent.
    """

    orders: int
    pieces: int
    duplicates: dict[str, int]
    charged: Decimal
    balance: Decimal
    mails: int
    requests: dict[str, int]
    by_po_number: dict[str, int]
    credits: tuple[BookedCredit, ...] = ()
    points: dict[str, int] = {}
    points_given: int = 0
    points_left: Decimal = Decimal(0)
    links: tuple[BookedLinks, ...] = ()
    link_mails: dict[str, int] = {}


class Entry(msgspec.Struct):
    """A row of the payment report, with the balance after it."""

    reference: str
    day: str
    reason: str
    amount: Decimal
    balance: Decimal


class State:
    """The whole state of a sandbox.

    Args:
        seed: Fixes the products and the codes.
        balance: The opening balance of the account, in INR.
        path: The file that keeps the books; None keeps them in memory.
        unique_po_numbers: Whether a repeated poNumber is refused.
        delivery_delay_s: How long a delayed product takes until its codes are there, in seconds.
        history_lag_s: How long the order history does not show an order after it was placed, in seconds.
        pay_on: Whether points and links cost the account when they are sent, or only when somebody redeems them.
        clock: The time, in seconds since the epoch.
    """

    def __init__(
        self,
        *,
        seed: int,
        balance: Decimal,
        path: Path | None,
        unique_po_numbers: bool = True,
        delivery_delay_s: float = 5.0,
        history_lag_s: float = 0.0,
        pay_on: Literal["send", "redeem"] = "send",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.seed: Final = seed
        self.products: Final[dict[int, Product]] = make_products(seed)
        self.balance: Decimal = balance
        self.orders: Final[dict[int, BookedOrder]] = {}
        self.by_po: Final[dict[str, list[int]]] = {}
        self.payments: Final[list[Entry]] = [Entry("OPENING", _day(clock()), "Funds added", balance, balance)]
        self.points: Final = PointsBook(self._keep, self._pay_points, clock)
        self.links: Final = LinksBook(
            seed, self._keep, lambda made: self._pay(made.batch_id, "Links issued", made.worth, made.made_at)
        )
        self.requests: Final[Counter[str]] = Counter()
        self.access: Final[dict[str, float]] = {}
        self.refresh: Final[dict[str, bool]] = {}
        self.clock: Final = clock
        self.history_lag_s: float = history_lag_s
        self._given: Final[list[Callable[[float], None]]] = []
        self._unique: Final = unique_po_numbers
        self._paid_when_sent: Final = pay_on == "send"
        self._delay_s: Final = delivery_delay_s
        self._db: Final = _open(path)
        self._load()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._db is not None:
            self._db.close()

    def add_funds(self, amount: Decimal) -> None:
        """Add funds to the balance."""
        self.balance += amount
        entry = Entry(f"FUND{len(self.payments)}", _day(self.clock()), "Funds added", amount, self.balance)
        self.payments.append(entry)
        self._keep("funds", entry)

    @property
    def is_unused(self) -> bool:
        """Whether nothing was ever booked: no order, no points, no links."""
        return not (self.orders or self.points.credits or self.links.batches)

    @property
    def points_left(self) -> Decimal:
        """The points that the account has left to give: ten for each rupee of its balance that is not given yet."""
        return self.balance * _POINTS_A_RUPEE - (0 if self._paid_when_sent else self.points.given)

    def taken(self, po_number: str) -> bool:
        """Return whether the poNumber is refused because it was used before."""
        return bool(po_number) and self._unique and po_number in self.by_po

    def book(
        self,
        product: Product,
        *,
        quantity: int,
        denomination: Decimal,
        po_number: str,
        email: str = "",
        contact: str = "",
        tag: str = "",
        mail: bool = False,
    ) -> BookedOrder | None:
        """Book an order and charge its price. Return None if the balance does not cover it."""
        total, discount = product.price(denomination, quantity)
        charged = (total - discount).quantize(_CENT, ROUND_HALF_UP)
        if charged > self.balance:
            return None
        number = len(self.orders) + 1
        now = self.clock()
        order = BookedOrder(
            order_id=6_000_000 + number,
            po_number=po_number,
            product_id=product.id,
            quantity=quantity,
            denomination=denomination,
            charged=charged,
            total=total,
            discount=discount,
            email=email,
            contact=contact,
            tag=tag,
            placed_at=now,
            codes=tuple(self._code(product, number, piece) for piece in range(quantity)),
            due_at=now + self._delay_s if product.delayed else 0.0,
            mails=int(mail),
        )
        self._add(order)
        self._keep("order", order)
        return order

    def book_points(self, gifts: Sequence[Gift]) -> list[BookedCredit]:
        """Give points to all receivers of a call."""
        made = self.points.send(gifts, self.clock())
        self._given.append(lambda told: self.points.lose(made[int(len(made) * told) :]))
        return made

    def book_links(
        self, campaign_id: int, quantity: int, emails: Sequence[str], worth: Decimal = Decimal(0)
    ) -> BookedLinks | None:
        """Make the links of a call, and mail them if there are addresses; None if the balance does not cover them."""
        if self._paid_when_sent and worth > self.balance:
            return None
        batch = self.links.make(campaign_id, quantity, emails, worth=worth, at=self.clock())
        self._given.append(lambda told: self.links.lose(batch, int(quantity * told)))
        return batch

    def begin_call(self) -> None:
        """Forget what the call before gave."""
        self._given.clear()

    def lose_answer(self, told: float = 0.0) -> None:
        """Note that the client was told of only this share of the points or links that this call gave."""
        for lose in self._given:
            lose(told)

    def find(self, order_id: int, po_number: str) -> BookedOrder | None:
        """Return an order by its id, or by its poNumber if the id is 0."""
        if order_id:
            return self.orders.get(order_id)
        ids = self.by_po.get(po_number, [])
        return self.orders[ids[0]] if ids else None

    def delivered(self, order: BookedOrder) -> bool:
        """Return whether an order is delivered, so that its codes are there."""
        return self.clock() >= order.due_at

    def books(self) -> Books:
        """Return the sandbox's own count."""
        orders = list(self.orders.values())  # a copy: the sandbox may book in another thread meanwhile
        counts = Counter(_po_of(order) for order in orders)
        return Books(
            orders=len(orders),
            pieces=sum(order.quantity for order in orders),
            duplicates={po: count for po, count in counts.items() if count > 1},
            charged=sum((order.charged for order in orders), Decimal(0)),
            balance=self.balance,
            mails=sum(order.mails for order in orders),
            requests=dict(self.requests),
            by_po_number=dict(counts),
            # Copies: a credit changes when it is cancelled, a call when its answer is lost.
            credits=tuple(msgspec.structs.replace(credit) for credit in list(self.points.credits.values())),
            points=self.points.totals(),
            points_given=self.points.given,
            points_left=self.points_left,
            links=tuple(msgspec.structs.replace(batch) for batch in list(self.links.batches)),
            link_mails=dict(Counter(email for batch in list(self.links.batches) for email in batch.emails)),
        )

    def remember_tokens(self, access: str, expires_at: float, refresh: str) -> None:
        """Keep a token pair."""
        self.access[access] = expires_at
        self.refresh[refresh] = True
        self._keep("tokens", (access, expires_at, refresh))

    def spend_refresh(self, refresh: str) -> bool:
        """Mark a refresh token as used. Return whether it was valid until now."""
        if not self.refresh.get(refresh):
            return False
        self.refresh[refresh] = False
        self._keep("spent", refresh)
        return True

    def _add(self, order: BookedOrder) -> None:
        self.balance -= order.charged
        self.orders[order.order_id] = order
        self.by_po.setdefault(_po_of(order), []).append(order.order_id)
        day = _day(order.placed_at)
        self.payments.append(Entry(f"REF{order.order_id}", day, "Brand vouchers issued", order.charged, self.balance))

    def _pay_points(self, credit: BookedCredit, points: int, at: float) -> None:
        reason = "Points issued" if points > 0 else "Refunded"
        self._pay(f"REF{credit.unique_id}", reason, Decimal(points) / _POINTS_A_RUPEE, at)

    def _pay(self, reference: str, reason: str, cost: Decimal, at: float) -> None:
        """Take what points or links cost, or give it back, with a row of the payment report."""
        if self._paid_when_sent and cost:
            self.balance -= cost
            self.payments.append(Entry(reference, _day(at), reason, abs(cost), self.balance))

    def _code(self, product: Product, number: int, piece: int) -> tuple[str, str]:
        digest = hashlib.sha256(f"{self.seed}/{number}/{piece}".encode()).hexdigest().upper()
        pin = str(int(digest[20:28], 16) % 1_000_000).zfill(6) if product.code_type.lower().endswith("pin") else ""
        if product.code_type.startswith("url"):
            return f"https://gift.example.com/{digest[:20]}", pin
        return f"SBX-{digest[:4]}-{digest[4:8]}-{digest[8:16]}", pin

    def _keep(self, kind: str, body: object) -> None:
        if self._db is not None:
            self._db.execute("INSERT INTO entry (kind, body) VALUES (?, ?)", (kind, msgspec.json.encode(body)))

    def _load(self) -> None:
        if self._db is None:
            return
        for kind, body in self._db.execute("SELECT kind, body FROM entry ORDER BY id"):
            self._replay(kind, body)

    def _replay(self, kind: str, body: bytes) -> None:
        if kind == "order":
            self._add(msgspec.json.decode(body, type=BookedOrder))
        elif kind == "funds":
            entry = msgspec.json.decode(body, type=Entry)
            self.balance += entry.amount
            self.payments.append(entry)
        elif kind == "tokens":
            access, expires_at, refresh = msgspec.json.decode(body, type=tuple[str, float, str])
            self.access[access] = expires_at
            self.refresh[refresh] = True
        elif kind == "spent":
            self.refresh[msgspec.json.decode(body, type=str)] = False
        else:
            self.points.replay(kind, body)
            self.links.replay(kind, body)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _open(path: Path | None) -> "sqlite3.Connection | None":
    if path is None:
        return None
    if not path.parent.is_dir():
        raise NotADirectoryError(f"the books cannot be kept in {path}: there is no folder {path.parent}")
    # Autocommit: each order is in the file before its answer leaves, so the books survive kill -9.
    # They need not survive a power cut, so synchronous=OFF saves the time of an fsync.
    try:
        _make_private(path)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=OFF")
            db.executescript(_SCHEMA)
        except BaseException:
            db.close()
            raise
    except (sqlite3.Error, OSError) as error:
        raise OSError(f"the books cannot be kept in {path}: {error}") from error
    return db


def _make_private(path: Path) -> None:
    """Make the file, and let nobody but its owner read it: the books hold codes, addresses and tokens.

    SQLite gives the two files beside it the same mode.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with contextlib.suppress(FileNotFoundError, PermissionError):  # then it is another user's, who decides
            if stat.S_IMODE(name.stat().st_mode) != _MODE:
                name.chmod(_MODE)


def _po_of(order: BookedOrder) -> str:
    """Return the name that an order counts under. An order without a poNumber is never a duplicate."""
    return order.po_number or f"#{order.order_id}"
