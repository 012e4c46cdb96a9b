"""`postgres.options`: what a URL may say after its question mark, and what a refusal shows of it."""

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.postgres.address import DatabaseAddress
from xoxo_async.postgres.options import NOT_THE_DRIVERS, VARIABLES, fault_of

GOOD = [
    "sslmode=verify-full&sslrootcert=/x/ca.crt",
    "connect_timeout=10&keepalives=1&keepalives_idle=30&tcp_user_timeout=0",
    "channel_binding=prefer&gssencmode=disable&client_encoding=UTF8&sslsni=1",
    "target_session_attrs=primary&application_name=nightly&fallback_application_name=x",
    "options=-c%20statement_timeout%3D5s",
    "statement_cache_size=0",
    "password=&sslpassword=",
    "service=plum",
    "keepalives_idle=32767&keepalives_interval=32767&keepalives_count=127&tcp_user_timeout=999999999",
]


@pytest.mark.parametrize("query", GOOD)
def test_the_options_of_libpq_are_taken(query: str) -> None:
    """The URL with them is read again as it is: the next command of a job has the same ones."""
    address = DatabaseAddress.read(f"postgresql://db/plum?{query}")
    assert DatabaseAddress.read(address.dsn).options == address.options


BAD = [
    ("foo=s3cret", "option foo"),
    ("foo", "option foo"),
    ("synchronous_commit=off", "options=-c"),
    ("require_auth=scram-sha-256", "option require_auth"),
    ("sslmode=s3cret", "sslmode must be disable, allow, prefer, require, verify-ca or verify-full"),
    ("sslmode=", "sslmode has no value"),
    ("channel_binding=require", "channel_binding must be disable or prefer"),
    ("load_balance_hosts=random", "load_balance_hosts must be disable"),
    ("connect_timeout=s3cret", "connect_timeout must be a whole number"),
    ("statement_cache_size=s3cret", "statement_cache_size must be a whole number"),
    ("keepalives_idle=-1", "keepalives_idle must be"),
    ("keepalives_idle=32768", "keepalives_idle must be at most 32767"),
    ("keepalives_interval=86400", "keepalives_interval must be at most 32767"),
    ("keepalives_count=128", "keepalives_count must be at most 127"),
    ("dbname=other", "option dbname: write it before"),
    ("port=5433", "option port: write it before"),
    ("host=other", "option host: write it before"),
]


@pytest.mark.parametrize(("query", "said"), BAD)
def test_others_are_refused_by_name(query: str, said: str) -> None:
    """The driver would send them to the server as settings, or ignore them."""
    with pytest.raises(ConfigError) as caught:
        DatabaseAddress.read(f"postgresql://db/plum?{query}")
    assert said in caught.value.message
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db/plum?password=a&s3cret",
        "postgresql://db/plum?password=a&s3cret=b&sslmode=require",
        "postgresql://me:p@w?s3cret@db/plum",
        "postgresql://me:p@w?s3cret&b@db/plum",
        "postgresql://me:1/a?s3cret=b@db/plum",
        "postgresql://db/plum?s3-cret=1",
    ],
)
def test_the_rest_of_a_password_is_not_named(url: str) -> None:
    """What looks like an option may stand behind an & or a ? of a password."""
    with pytest.raises(ConfigError, match="%26") as caught:
        DatabaseAddress.read(url)
    assert "s3" not in caught.value.message


def test_each_option_of_a_table_is_known() -> None:
    """An option that the driver does not get is still one that a URL may have, as is that of a variable."""
    for name in (*NOT_THE_DRIVERS, *VARIABLES.values()):
        with pytest.raises(ConfigError, match=f"{name}.* has no value"):
            DatabaseAddress.read(f"postgresql:///?{name}=")
    assert not fault_of("sslmode", "require", "PGSSLMODE")
