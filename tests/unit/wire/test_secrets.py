"""`wire.secrets`: shown by `reveal()` alone, and written nowhere."""

import copy
import html
import json
import logging
import pickle
import sqlite3
import urllib.parse
from contextlib import closing

import msgspec
import pytest

from xoxo_async.services.links import EmailRequest
from xoxo_async.services.orders.details import TopUpDetails
from xoxo_async.services.orders.requests import place_order
from xoxo_async.services.points import PointsRecipient
from xoxo_async.wire import Masked, RawReply, Secret, hide
from xoxo_async.wire.secrets import mask


def test_a_secret_is_shown_by_reveal_alone(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, text, format, log record or traceback has the value."""
    secret = Secret("HUNTER-2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031
    logging.getLogger("test").warning("code %s", secret)
    assert not any("HUNTER" in text for text in (*shown, caplog.text))
    assert secret.reveal() == "HUNTER-2"


def test_a_secret_is_not_written_anywhere() -> None:
    """Pickle and `json` refuse it, msgspec writes a mask; copies are itself."""
    secret = Secret("HUNTER-2")
    with pytest.raises(TypeError, match="Secret cannot be pickled"):
        pickle.dumps(secret)
    assert (
        msgspec.json.encode([secret, Secret(""), Masked(5)]) == b'[{"masked":"****"},{"masked":""},{"masked":"****"}]'
    )
    with pytest.raises(TypeError):
        json.dumps(secret)
    with closing(sqlite3.connect(":memory:")) as database, pytest.raises(sqlite3.Error):
        database.execute("SELECT ?", (secret,))  # a mask is never stored as a code
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


def test_secrets_compare_by_value() -> None:
    """Equal codes are equal and hash alike; a Secret is no str, and an empty one is false."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800ü") == Secret("\ud800ü")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a")
    assert not Secret("")


def test_a_raw_reply_is_not_shown() -> None:
    """The raw answer holds codes: masked, not pickled, not encoded."""
    raw = RawReply(b"HUNTER-2")
    assert "HUNTER" not in f"{raw!r} {raw}"
    assert raw.reveal() == b"HUNTER-2"
    assert copy.deepcopy(raw) is copy.copy(raw) is raw
    with pytest.raises(TypeError):
        pickle.dumps(raw)
    with pytest.raises(TypeError):
        msgspec.json.encode(raw)


HIDDEN = 'ab+/=&"<é>%25 c\\d'


@pytest.mark.parametrize(
    "form",
    [
        HIDDEN,
        urllib.parse.quote(HIDDEN),
        urllib.parse.quote(HIDDEN, safe=""),
        urllib.parse.quote_plus(HIDDEN),
        json.dumps(HIDDEN)[1:-1],
        json.dumps(HIDDEN, ensure_ascii=False)[1:-1],
        json.dumps(HIDDEN)[1:-1].replace("/", "\\/"),
        html.escape(HIDDEN),
    ],
)
def test_a_servers_words_are_repeated_without_a_secret(form: str) -> None:
    """However the server has escaped what it echoes, more than once and in the middle of a word."""
    said = hide(f"got client_secret={form}&x=1 and <{form}>, x{form}y", [Secret("other-secret"), Secret(HIDDEN)])
    assert said == "got client_secret=***&x=1 and <***>, x***y"


def test_a_secret_within_a_secret_leaves_no_rest() -> None:
    """The longer one goes first."""
    assert hide("token abcdefgh", [Secret("abcd"), Secret("abcdefgh")]) == "token ***"


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_what_is_too_short_to_be_a_secret_masks_nothing(value: str) -> None:
    """It would take ordinary words apart."""
    assert hide("a cabcab", [Secret(value)]) == "a cabcab"


def test_half_a_surrogate_pair_is_masked_too() -> None:
    """No server's text makes the masking fail."""
    assert hide("x \ud800abc y", [Secret("\ud800abc")]) == "x *** y"


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("", ""),
        ("123456", "****"),
        ("SBX-FEA1-D7FF-736554F4", "****54F4"),
        ("https://gift.example.com/c/abcdefgh12345678", "****"),
    ],
)
def test_a_code_shows_at_most_its_last_four_characters(code: str, shown: str) -> None:
    """Short codes, PINs and links show nothing at all; long codes their end; --reveal everything."""
    assert mask(code) == shown
    assert mask(code, reveal=True) == code


def test_a_private_struct_shows_no_person() -> None:
    """Its repr has the fields that are given, with data of people masked: an error report prints variables."""
    order = place_order(
        product_id=7,
        denomination=5,
        po_number="A",
        email="ann@x.example",
        details=TopUpDetails(phone_code="+91", phone_number="9000"),
    )
    assert repr(order) == (
        "PlaceOrder(product_id=7, quantity=1, denomination=Decimal('5'), po_number='A', email=****, "
        "notify_receiver_email=0, notify_admin_email=0, perform_operator_validation=0, user_meta=****)"
    )
    recipients = [
        PointsRecipient(name="Ann", email="ann@x.example", amount=5),
        EmailRequest(campaign_id=1, email_ids="ann@x.example", link_expiry="x"),
    ]
    assert "Ann" not in repr(recipients).replace("ann@", "Ann")
