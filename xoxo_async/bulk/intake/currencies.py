"""Currencies as people write them beside an amount: `₹`, `Rs.`, `INR`, `$`."""

import re
from typing import Final

__all__ = ["SIGN", "currencies_of"]

_ISO_4217: Final = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF"
    " CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG"
    " HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA"
    " MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD"
    " RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX"
    " USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG"
)
_CODES: Final = frozenset(_ISO_4217.split())
_RUPEES: Final = ("INR", "PKR", "LKR", "NPR", "MUR", "SCR")
_DOLLARS: Final = (
    "USD",
    "AUD",
    "CAD",
    "HKD",
    "MXN",
    "NZD",
    "SGD",
    "TWD",
    "ARS",
    "BND",
    "CLP",
    "COP",
    "FJD",
    "JMD",
    "TTD",
)
_SIGNS: Final = {
    "₹": ("INR",),
    "rs": _RUPEES,
    "rs.": _RUPEES,
    "₨": _RUPEES,
    "$": _DOLLARS,
    "us$": ("USD",),
    "€": ("EUR",),
    "£": ("GBP", "EGP", "GIP", "FKP", "SHP", "SSP", "SYP"),
    "¥": ("JPY", "CNY"),
}
SIGN: Final = "|".join([*(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True)), "[a-z]{3}"])
"""A pattern, for any case, of what may be a currency beside a number. `currencies_of` decides."""


def currencies_of(sign: str) -> tuple[str, ...]:
    """Return the codes of the currencies that a sign or code can mean, the usual one first; empty where it is none.

    Args:
        sign: `₹`, `Rs.`, `inr`.
    """
    sign = sign.strip()
    code = sign.upper()
    return (code,) if code in _CODES else _SIGNS.get(sign.lower(), ())
