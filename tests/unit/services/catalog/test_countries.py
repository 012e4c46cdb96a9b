"""`countries`: any name of a country that the catalog has finds it."""

import pytest

from xoxo_async.errors import ConfigError
from xoxo_async.services.catalog import Filter, FilterGroup
from xoxo_async.services.catalog.countries import country_name, find_country

COUNTRIES = (
    Filter(filter_value="India", filter_value_code="india", iso_code="IN"),
    Filter(filter_value="C&ocirc;te d&#39;Ivoire", filter_value_code="ivory_coast", iso_code="CI"),
    Filter(filter_value="Germany", filter_value_code="germany", iso_code="GD"),
    Filter(filter_value="Grenada", filter_value_code="gd", iso_code="GD"),
    Filter(filter_value="Nowhere", filter_value_code="", iso_code="NO"),
)
GROUPS = (FilterGroup(filter_group_code="country", filters=COUNTRIES),)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("India", "india"),
        ("india", "india"),
        (" IN ", "india"),
        ("in", "india"),
        ("Ivory Coast", "ivory_coast"),
        ("côte d'ivoire", "ivory_coast"),
        ("GD", "gd"),
    ],
)
def test_every_name_finds_its_country(given: str, code: str) -> None:
    """ISO codes of the catalog may be wrong, so they count last."""
    assert find_country(GROUPS, given).filter_value_code == code


@pytest.mark.parametrize("given", ["Atlantis", "", "Nowhere"])
def test_an_unknown_country_lists_the_known(given: str) -> None:
    """A country without a code cannot be filtered by."""
    with pytest.raises(ConfigError, match=r"has no country .*; it has: Côte d'Ivoire, Germany, Grenada, India$"):
        find_country(GROUPS, given)


def test_names_have_one_spelling() -> None:
    """Case, blanks, underscores and HTML do not matter."""
    assert country_name(" United_Kingdom ") == country_name("united  kingdom") == "united kingdom"
    assert country_name(None) == ""


@pytest.mark.parametrize(
    ("given", "code"), [("United States", "usa"), ("united_states of America", "usa"), ("UK", "gb")]
)
def test_usual_names_find_their_country(given: str, code: str) -> None:
    """The catalog has `USA`, and people write more. A name of its own counts before."""
    filters = (
        Filter(filter_value="USA", filter_value_code="usa", iso_code="US"),
        Filter(filter_value="United Kingdom", filter_value_code="gb", iso_code="GB"),
    )
    assert find_country((FilterGroup(filter_group_code="country", filters=filters),), given).filter_value_code == code
