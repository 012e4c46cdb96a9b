"""`wire.secrets`: shown by `reveal()` alone, and written nowhere."""

import copy
import json
import logging
import pickle

import msgspec
import pytest

from xoxo_async.wire import (
    RawReply,
    Secret,
)


def test_a_secret_is_shown_by_reveal_alone(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, text, format, log record or traceback has the value."""
    secret = Secret("HUNTER-2")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", "%s" % secret, repr([secret])]  # noqa: UP031
    logging.getLogger("test").warning("code %s", secret)
    assert not any("HUNTER" in text for text in (*shown, caplog.text))
    assert secret.reveal() == "HUNTER-2"


def test_a_secret_is_not_written_anywhere() -> None:
    """Pickle and the JSON encoders refuse it; copies are itself."""
    secret = Secret("HUNTER-2")
    with pytest.raises(TypeError, match="Secret cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
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
