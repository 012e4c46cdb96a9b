"""`allowance.opening`: the address of a store."""

import sys

import pytest

from xoxo_async.allowance.opening import open_allowance
from xoxo_async.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://shop:secret@db/shop", "PostgresAllowance('postgresql://shop@db/shop')"),
        ("postgres://db/shop?sslmode=require#march", "PostgresAllowance('postgresql://db/shop')"),
        ("redis://:secret@cache:6379/1", "RedisAllowance('redis://cache:6379/1')"),
        (" rediss://user:secret@cache?ssl_cert_reqs=none ", "RedisAllowance('rediss://cache')"),
        ("file:/run/shop/allowance", "FileAllowance('/run/shop/allowance')"),
        ("file:///run/shop/a%20b", "FileAllowance('/run/shop/a b')"),
        ("FILE:/run/shop/allowance", "FileAllowance('/run/shop/allowance')"),
    ],
)
def test_each_scheme_opens_its_store(address: str, shown: str) -> None:
    """The repr names the store and shows no password; nothing is connected."""
    assert repr(open_allowance(address)) == shown


@pytest.mark.parametrize(
    "address",
    [
        "", "allowance.db", "/run/allowance", "http://host:secret@x/", "file:allowance", "file://host/path", "file:",
        "redis:secret", "redis://", "redis://x:secret", "redis://:secret@x/notanumber", "postgresql:secret",
        "postgresql://shop:se/cret:x@db/shop", "mysql://root:secret@db/x", "redis://[secret",
    ],
)  # fmt: skip
def test_a_wrong_address_shows_no_password(address: str) -> None:
    """The message says what is wrong, and repeats nothing that may be a password."""
    with pytest.raises(ConfigError) as caught:
        open_allowance(address)
    assert "secret" not in caught.value.message
    assert "cret" not in caught.value.message


@pytest.mark.parametrize(
    ("address", "modules", "extra"),
    [
        ("postgresql://db/shop", ["asyncpg"], "pip install 'xoxo-async[postgres]'"),
        ("redis://cache", ["redis", "redis.asyncio", "redis.asyncio.connection"], "pip install 'xoxo-async[redis]'"),
    ],
)
def test_a_missing_extra_is_named(
    address: str, modules: list[str], extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its library a store says what to install."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError) as caught:
        open_allowance(address)
    assert extra in caught.value.message
