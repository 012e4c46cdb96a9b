"""`auth.naming`: hashes that name an account, and what is shown of a client id."""

from types import SimpleNamespace

from xoxo_async.auth.naming import client_digest, digest, fingerprint_of, masked


def test_the_borders_of_the_parts_count() -> None:
    """Two rows of texts that read the same in one piece have different hashes."""
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("ab", "c") == digest("ab", "c")


def test_the_families_of_a_client_have_two_names() -> None:
    """A pair of the company family is not one of the user family, and no hash shows the client id."""
    assert client_digest("user", "client-0001") != client_digest("company", "client-0001")
    assert "client-0001" not in client_digest("user", "client-0001")


def test_a_short_client_id_is_not_shown() -> None:
    """Four characters of a long client id tell it apart; a short one would be half told by them."""
    assert (masked("client-0001-abcd"), masked("me")) == ("clie…", "***")


def test_a_provider_without_an_account_has_no_fingerprint() -> None:
    """One that names its account has a hash of it, the same in every process, and the name is not in it."""
    one, same, other = (fingerprint_of(SimpleNamespace(account=name)) for name in ("acme-1", "acme-1", "acme-2"))
    assert one == same != other
    assert "acme" not in one
    assert fingerprint_of(SimpleNamespace()) == fingerprint_of(SimpleNamespace(account=None)) == ""
