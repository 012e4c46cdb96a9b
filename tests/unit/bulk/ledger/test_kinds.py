"""`kinds`: what a ledger is of, and who may work on it."""

import pytest

from xoxo_async.bulk.ledger.kinds import JobKind, check_kind, kind_of, require_kind
from xoxo_async.effects import EffectClass
from xoxo_async.errors import LedgerError


class Ledger:
    """A ledger of a kind."""

    name = argument = "l.db"

    def __init__(self, kind: JobKind | None) -> None:
        self.kind = kind


def test_only_orders_have_a_key() -> None:
    """Nothing else can be looked up after a lost answer."""
    assert {kind: kind.effect for kind in JobKind} == {
        JobKind.ORDERS: EffectClass.KEYED,
        JobKind.POINTS: EffectClass.UNKEYED,
        JobKind.LINKS: EffectClass.UNKEYED,
        JobKind.LINK_MAILS: EffectClass.UNKEYED,
    }


def test_a_ledger_without_the_fact_holds_orders() -> None:
    """Ledgers from before there were kinds have none."""
    assert kind_of(None) is kind_of("") is kind_of("orders") is JobKind.ORDERS
    assert kind_of("link_mails") is JobKind.LINK_MAILS


def test_a_kind_of_a_newer_version_is_refused() -> None:
    """It must not count as orders: they would be looked up, and sent again."""
    with pytest.raises(LedgerError, match="the kind 'stamps', which this version"):
        kind_of("stamps")


@pytest.mark.parametrize("kind", JobKind)
def test_another_kind_is_refused(kind: JobKind) -> None:
    """The message names both kinds, and the command that goes on."""
    require_kind(Ledger(kind), kind)
    require_kind(Ledger(None), kind)
    check_kind(kind, kind)
    for other in set(JobKind) - {kind}:
        words = f"l.db holds a job of {kind.words}, not of {other.words}; nothing was sent.* `{kind.command} --ledger"
        with pytest.raises(LedgerError, match=words):
            require_kind(Ledger(kind), other)
        with pytest.raises(LedgerError, match=f"a job of {kind.words}, not of {other.words}: one ledger, one job"):
            check_kind(kind, other)
