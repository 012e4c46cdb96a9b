"""Settings for vcrpy: a cassette of this client's calls that holds no code, no token and no person.

vcrpy records whole requests and answers: the client's secret, tokens, voucher codes, PINs, links, e-mails and phone
numbers. These filters keep what they know to be harmless, and mask all other texts. They need nothing of vcrpy.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode

import msgspec

__all__ = ["vcr_settings"]

_MASKED: Final = "MASKED-"
_HARMLESS: Final = frozenset(
    """
    amount amountcharged batchid bookedat campaignname country countrycode countryname createddate currency
    currencycode currencyname currencyvalue date deliverystatus denomination denominationvalue discountpercent
    enabled enddate errorid errormessageid expiresin expirydate expirymonth filtergroupcode filtervaluecode
    granttype isocode key lastupdatedate linkexpiry linksquantity networkoperator notifyadminemail
    notifyreceiveremail operator orderby orderdate orderdiscount orderid orderproductstatus orderstatus
    ordertotal page paymentdate penaltyseconds points ponumber price productid productname productstatus
    quantity query raworderdiscount raworderprice rawordertotal sort startdate status success tag tokentype
    total transactiontype type uniqueid validfrom validity validto value
    """.split()  # noqa: SIM905 - a hundred words are read as words
)
"""The fields whose texts a cassette keeps, without underscores and in small letters."""
_WORDS: Final = frozenset({"error", "errors", "errordescription", "errorinfo", "message"})
"""The fields in which the vendor explains a refusal. A server may repeat its whole request there."""
_WORD: Final = re.compile(r"^[a-z]+(?:[._][a-z]+)*$")
_CATALOG: Final = frozenset({"getVouchers", "getFilters", "campaignList", "campaignDetails"})
"""Operations that answer with the catalog: their texts are the same for everybody, but for a perk's code and link."""
_BEARER: Final = re.compile(r"token|secret|password|pin$|code$|link")
"""Fields that are cash or open the account, whatever their type."""
_PERSON: Final = re.compile(r"mail|phone|mobile|contact|firstname|lastname|toname|address|zip|passenger|member")
_COUNTRY: Final = re.compile(r"^[A-Z]{2}$")
_ERROR_ID: Final = re.compile(r"^[A-Z]{2,5}\d{5}$")
_EMAIL: Final = re.compile(r"[^\s\"'<>:,;]+@[^\s\"'<>:,;]+")
_EXPIRY: Final = frozenset({"accesstokenexpiry", "refreshtokenexpiry"})
_ANSWER_HEADERS: Final = frozenset({"content-type", "retry-after"})
_REQUEST_HEADERS: Final = frozenset({"accept", "content-type", "user-agent"})


class _Request(Protocol):
    """What is used of a request of vcrpy's."""

    body: Any
    headers: Any


def vcr_settings(*, record_mode: str = "none") -> dict[str, Any]:
    """Return the settings for `vcr.VCR(…)`, `vcr.use_cassette(…)` and the fixture `vcr_config` of pytest-recording.

    The filters mask secrets with a new key for each call of this function: one code has one mask in all its answers,
    and nobody can try out which code it was. They blank what is known of persons. A request matches if its path, its
    operation and its arguments are those of the recording; persons and secrets are not compared.

    Args:
        record_mode: vcrpy's record mode. With `none` nothing is ever sent, and a call without a recording is an error.
            Any other mode sends real orders where the cassette has none: record against the sandbox or STAGING.

    Returns:
        `before_record_request`, `before_record_response`, `match_on`, `decode_compressed_response` and `record_mode`.

    Example:
        ```python
        from xoxo_async.integrations.vcrpy import vcr_settings

        settings = vcr_settings()
        assert settings["record_mode"] == "none"
        ```
    """
    key = secrets.token_bytes(16)

    def mask(value: object) -> str:
        text = str(value)
        if not text or text.startswith(_MASKED):  # vcrpy filters a cassette once more when it loads it
            return text
        return _MASKED + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16].upper()

    return {
        "record_mode": record_mode,
        "match_on": ("method", "path", "body"),
        "decode_compressed_response": True,
        "before_record_request": _mask_request,
        "before_record_response": partial(_mask_answer, mask=mask),
    }


def _mask_request(request: _Request) -> _Request:
    """Mask a request: its secrets and persons by a constant, so that a replayed one matches."""
    request.headers = {name: value for name, value in request.headers.items() if name.lower() in _REQUEST_HEADERS}
    body = request.body
    if body is None:
        return request
    text = body if isinstance(body, str) else body.decode()  # vcrpy is given bytes, or the client's own payload
    value = _json(text)
    if value is None:
        fields = parse_qsl(text, keep_blank_values=True)
        masked = [(name, value if _field(name) in _HARMLESS else _MASKED) for name, value in fields]
        request.body = urlencode(masked).encode()
    else:
        request.body = msgspec.json.encode(_masked(value, "", lambda _: _MASKED, blank=_MASKED, catalog=False))
    return request


def _mask_answer(answer: dict[str, Any], mask: Callable[[object], str]) -> dict[str, Any]:
    """Mask an answer. One that is not JSON may be half an order: nothing of it is kept but its status."""
    headers = {name: value for name, value in answer["headers"].items() if name.lower() in _ANSWER_HEADERS}
    body = answer["body"].get("string") or b""
    value = _json(body)
    if value is None:
        masked = b"(not JSON: masked)" if body else b""
    else:
        data = value.get("data") if isinstance(value, dict) else None
        catalog = isinstance(data, dict) and bool(data) and set(data) <= _CATALOG
        masked = msgspec.json.encode(_masked(value, "", mask, blank="", catalog=catalog))
    return {**answer, "headers": headers, "body": {"string": masked}}


def _masked(value: Any, name: str, mask: Callable[[object], str], *, blank: str, catalog: bool) -> Any:
    """Return a JSON value with every text masked that is not known to be harmless.

    Args:
        value: The value.
        name: The name of its field, or of the list it is in.
        mask: Gives the mask of a secret.
        blank: What stands for a text that is neither harmless nor a secret.
        catalog: Whether texts are harmless unless their field is a secret's or a person's.
    """
    if isinstance(value, dict):
        return {
            key: _masked(item, "" if _is_error_code(key, item) else _field(key), mask, blank=blank, catalog=catalog)
            for key, item in value.items()
            if _field(key) not in _EXPIRY  # a replay years later has to find a token that lives
        }
    if isinstance(value, list):
        return [_masked(item, name, mask, blank=blank, catalog=catalog) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if name in _HARMLESS or (catalog and name == "code" and _COUNTRY.match(str(value))):
        return _EMAIL.sub(blank, value) if isinstance(value, str) else value
    if _BEARER.search(name) and value != "":
        return mask(value)
    if isinstance(value, str):
        return _text(value, name, blank=blank, catalog=catalog)
    return None if _PERSON.search(name) else value


def _text(value: str, name: str, *, blank: str, catalog: bool) -> str:
    """Return what a cassette keeps of a text that is no secret."""
    if name in _WORDS:
        return value if not value or _WORD.match(value) else "masked"
    if _ERROR_ID.match(value) or (catalog and not _PERSON.search(name)):
        return _EMAIL.sub(blank, value)
    return blank


def _is_error_code(name: str, value: object) -> bool:
    """Return whether a field `code` is an HTTP status or an error id, and no voucher's code."""
    return name == "code" and (
        (isinstance(value, int) and 100 <= value < 600) or (isinstance(value, str) and bool(_ERROR_ID.match(value)))
    )


def _field(name: str) -> str:
    return name.replace("_", "").lower()


def _json(text: str | bytes) -> Any:
    """Return what a JSON text says, or None where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
