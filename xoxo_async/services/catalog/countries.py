"""Find a country in the catalog's filters, by any name that the catalog has for it."""

from collections.abc import Iterable
from typing import Final

from xoxo_async.errors import ConfigError
from xoxo_async.services.catalog.replies import Filter, FilterGroup
from xoxo_async.wire.entities import unescape

__all__ = ["country_name", "find_country"]


_ALSO: Final = {
    "united states": "usa",
    "united states of america": "usa",
    "america": "usa",
    "u.s.a.": "usa",
    "u.s.": "usa",
    "uk": "united kingdom",
    "u.k.": "united kingdom",
    "great britain": "united kingdom",
    "united arab emirates": "uae",
}
"""What people write, and the catalog does not know."""


def find_country(groups: Iterable[FilterGroup], country: str) -> Filter:
    """Return the filter of a country.

    Args:
        groups: The filters of the catalog.
        country: The country: its name, its ISO code, or its filter code; case does not matter.

    Returns:
        The filter, with a code.

    Raises:
        ConfigError: The catalog has no such country; the message lists those that it has.
    """
    filters = [one for group in groups for one in group.filters if one.filter_value_code]
    wanted = country_name(country)
    wanted_too = _ALSO.get(wanted, wanted)
    # Some ISO codes of the catalog are wrong (wire documentation § 4.1), so they count last.
    for attribute in ("filter_value_code", "filter_value", "iso_code"):
        for one in filters:
            if wanted and country_name(getattr(one, attribute)) == wanted:
                return one
    for one in filters:
        if wanted_too in {country_name(one.filter_value_code), country_name(one.filter_value)}:
            return one
    listed = sorted(unescape(one.filter_value or one.filter_value_code or "") for one in filters)
    raise ConfigError(f"the catalog has no country {country!r}; it has: {', '.join(listed) or 'none'}")


def country_name(text: str | None) -> str:
    """Return a country's name in one spelling: `united_kingdom` and `United Kingdom` are the same.

    Args:
        text: A name or a code, as the vendor or a person writes it.
    """
    return " ".join(unescape(text or "").casefold().replace("_", " ").split())
