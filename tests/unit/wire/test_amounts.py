"""`amounts`: money no account has is found wherever it stands in a value, and nothing else is."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from xoxo_async.wire.amounts import ImplausibleError, money_check

GOOD = Decimal("12.50")
BAD = [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+31"), Decimal("1E-999999"), Decimal("0E-40")]


class Price(msgspec.Struct, frozen=True):
    amount: Decimal | None = None
    currency: str = "INR"


class Basket(msgspec.Struct, frozen=True):
    prices: tuple[Price, ...] | None = ()
    total: Price | None = None
    pair: tuple[str, Decimal] | None = None


class Tree(msgspec.Struct):
    amount: Decimal | None = None
    left: "Tree | None" = None


class Deep1(msgspec.Struct):
    inner: Basket | None = None


class Deep2(msgspec.Struct):
    inner: Deep1 | None = None


class Deep3(msgspec.Struct):
    inner: Deep2 | None = None


class Deep4(msgspec.Struct):
    inner: Deep3 | None = None


class Deep5(msgspec.Struct):
    inner: Deep4 | None = None


class Deep6(msgspec.Struct):
    inner: Deep5 | None = None


class Circle(msgspec.Struct, tag=True):
    radius: Decimal


class Square(msgspec.Struct, tag=True):
    side: Decimal


def holds_bad(kind: Any, value: object) -> bool:
    check = money_check(kind)
    assert check is not None
    try:
        check(value)
    except ImplausibleError:
        return True
    return False


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_an_implausible_amount_is_found(bad: Decimal) -> None:
    """No number, no end, more digits than money has on either side of the point; a zero written so, too."""
    assert holds_bad(Decimal, bad)
    assert holds_bad(Decimal | None, bad)
    assert not holds_bad(Decimal, Decimal("-999999999999.999999"))
    assert not holds_bad(Decimal | None, None)


@pytest.mark.parametrize(
    "basket",
    [
        Basket(prices=(Price(GOOD), Price(BAD[0]))),
        Basket(total=Price(BAD[0])),
        Basket(pair=("x", BAD[0])),
    ],
)
def test_it_is_found_in_structs_lists_and_pairs(basket: Basket) -> None:
    """Wherever a struct, a list or a tuple of fixed length has it."""
    assert holds_bad(Basket, basket)


@pytest.mark.parametrize("basket", [Basket(), Basket(None, None, None), Basket((Price(), Price(GOOD)), Price(GOOD))])
def test_what_is_absent_or_plausible_passes(basket: Basket) -> None:
    """None in any place is no amount."""
    assert not holds_bad(Basket, basket)


def test_a_struct_that_holds_itself_is_checked_to_the_bottom() -> None:
    """However deep it goes."""
    tree = Tree(BAD[0])
    for _ in range(20):
        tree = Tree(GOOD, tree)
    assert holds_bad(Tree, tree)
    assert not holds_bad(Tree, Tree(GOOD, Tree(GOOD)))


def test_structs_deep_within_structs_are_checked_as_well() -> None:
    """Structs around one struct are followed to the innermost one, and the check ends where one of them is absent."""
    assert not holds_bad(Deep6, Deep6())
    assert not holds_bad(Deep6, Deep6(Deep5(Deep4(Deep3()))))
    for price, expected in ((GOOD, False), (BAD[0], True)):
        value: Any = Basket((Price(price),))
        for kind in (Deep1, Deep2, Deep3, Deep4, Deep5, Deep6):
            value = kind(value)
        assert holds_bad(Deep6, value) is expected


@pytest.mark.parametrize("kind", [Price, tuple[Price], tuple[Price, ...], Price | None])
def test_a_struct_may_hold_money_in_one_field(kind: Any) -> None:
    """A struct, an optional one, and tuples of structs are each checked in their own way."""
    around = msgspec.defstruct("Around", [("name", str), ("one", kind)])
    for amount, expected in ((GOOD, False), (BAD[0], True)):
        one = Price(amount) if kind in (Price, Price | None) else (Price(amount),)
        assert holds_bad(around, around("x", one)) is expected


def test_each_kind_of_a_union_is_checked_as_itself() -> None:
    """The fields of one are not looked for in the other."""
    assert holds_bad(Circle | Square, Square(BAD[0]))
    assert holds_bad(Circle | Square | None, Circle(BAD[0]))
    assert not holds_bad(Circle | Square, Square(GOOD))


def test_fields_may_have_any_name() -> None:
    """A caller's own struct may be made with names that Python's syntax has no place for."""
    odd = msgspec.defstruct("Odd", [("class", Decimal), ("from", Decimal)])
    assert holds_bad(odd, odd(GOOD, BAD[0]))
    assert holds_bad(odd, odd(BAD[0], GOOD))
    assert not holds_bad(odd, odd(GOOD, GOOD))


@pytest.mark.parametrize("kind", [str, tuple[int, ...], str | None, msgspec.defstruct("Plain", [("name", str)])])
def test_a_type_without_money_needs_no_check(kind: Any) -> None:
    """Nothing is run after its answers."""
    assert money_check(kind) is None
