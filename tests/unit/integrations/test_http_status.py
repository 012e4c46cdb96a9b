"""`integrations.http_status`: each error has one answer, and none makes a caller buy twice."""

import json
import logging
from pathlib import Path

import pytest

from xoxo_async import errors, verdict_of
from xoxo_async.errors import ERROR_IDS, Effect, XoxoError
from xoxo_async.integrations.http_status import IN_DOUBT, NO_KEY, STATUS_TABLE, STATUS_TEXTS, http_answer, log_error

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "web-errors.md"

E = errors
ANSWERS: list[tuple[XoxoError, int, str, int | None]] = [
    (E.ArgumentError("quantity must be a whole number"), 422, "wrong_argument", None),
    (E.ConfigError("the client is closed"), 500, "wrong_settings", None),
    (E.DenominationError("x", error_id="PLE10018"), 422, "wrong_denomination", None),
    (E.QuantityError("x", error_id="PLE10041"), 422, "wrong_quantity", None),
    (E.BadRequestError("x", error_id="PLE10001"), 422, "bad_request", None),
    (E.OutOfStockError("x", effect="possible", error_id="PLE10024", po_number="P"), 409, "out_of_stock", 150),
    (E.NotAllowedError("x", error_id="PLE10015"), 409, "kyc_missing", None),
    (E.NotAllowedError("x", error_id="PLE10019"), 409, "not_international", None),
    (E.NotAllowedError("x", error_id="PLE10042"), 409, "not_activated", None),
    (E.NotAllowedError("x", error_id="PLE10014"), 409, "not_allowed", None),
    (E.InsufficientFundsError("x", effect="possible", error_id="PLE10010", po_number="P"), 503, "no_funds", 150),
    (E.DuplicatePoNumberError("the poNumber belongs to order 7", po_number="P"), 409, "key_used", None),
    (E.DuplicatePoNumberError("x", error_id="PLE10004", po_number="P"), 503, "order_unknown", 150),
    (E.NotFoundError("x", error_id="PLE10016"), 404, "not_found", None),
    (E.RateLimitedError("x", retry_after_s=7.2), 503, "too_many", 8),
    (E.RateLimitedError("x"), 503, "too_many", 60),
    (E.LineBusyError("x", retry_after_s=3, po_number="P"), 503, "busy", 3),
    (E.LedgerConflictError("x"), 409, "key_used", None),
    (E.PlanError("x"), 422, "bad_request", None),
    (E.BudgetError("x"), 503, "no_funds", 60),
    (E.LedgerError("x"), 503, "unavailable", 60),
    (E.ConnectError("x"), 503, "unavailable", 15),
    (E.TokenRejectedError("x"), 503, "unavailable", 60),
    (E.TokenStoreError("x", retryable=True), 503, "unavailable", 15),
    (E.ReplyTimeoutError("x", effect="none"), 503, "unavailable", 15),
    (E.ServerError("x", effect="none"), 503, "unavailable", 15),
    (E.RefusedError("x", effect="none"), 409, "refused", None),
    (E.DecodeError("x", effect="none"), 502, "not_understood", None),
    (E.OutcomeUnknownError("x", po_number="P"), 503, "order_unknown", 150),
    (E.OutcomeUnknownError("points"), 502, "outcome_unknown", None),
    (E.NotFoundError("x", effect="possible", error_id="PLE10017", po_number="P"), 409, "no_product", 150),
    (E.NotFoundError("x", effect="possible", error_id="PLE10021", po_number="P"), 503, "order_unknown", 150),
]


@pytest.mark.parametrize(("error", "status", "code", "again"), ANSWERS, ids=lambda value: str(value)[:40])
def test_an_error_has_one_answer(error: XoxoError, status: int, code: str, again: int | None) -> None:
    """The status, the word for programs, and when the same request makes sense again."""
    answer = http_answer(error)
    assert (answer.status, answer.body.error, answer.body.retry_after_s) == (status, code, again)
    assert answer.headers.get("Retry-After") == (None if again is None else str(again))
    assert json.loads(answer.json())["effect"] == error.effect


def test_every_row_of_the_table_answers() -> None:
    """No row hides behind one above it, and the list above has each of them."""
    reached = {http_answer(error).body.detail for error, *_ in ANSWERS[1:]} | {STATUS_TABLE[0].detail}
    assert {row.detail for row in (*STATUS_TABLE, IN_DOUBT, NO_KEY)} <= reached


def test_each_status_has_words_for_openapi() -> None:
    """The statuses of the table, and no other."""
    assert set(STATUS_TEXTS) == {row.status for row in (*STATUS_TABLE, IN_DOUBT, NO_KEY)}


def _all_errors() -> list[type[XoxoError]]:
    found = [XoxoError]
    for kind in found:
        found += [each for each in kind.__subclasses__() if each.__module__ == errors.__name__]
    return found


@pytest.mark.parametrize("kind", _all_errors())
def test_doubt_never_reads_as_a_refusal(kind: type[XoxoError]) -> None:
    """While an order may exist, the caller sends the same request again; a call without a key is not repeated."""
    for error_id in ("", *ERROR_IDS):
        error = kind("x")
        error.effect, error.error_id, error.po_number = "possible", error_id, "P"
        answer = http_answer(error)
        if not (issubclass(kind, errors.DuplicatePoNumberError) and not error_id):
            assert (answer.status, answer.body.error) in {
                (503, "order_unknown"),
                (503, "no_funds"),
                (503, "busy"),
                (409, "out_of_stock"),
                (409, "no_product"),
            }
            assert answer.body.retry_after_s or verdict_of(error).action == "person"
        error.po_number = None
        if http_answer(error).body.error == "outcome_unknown":
            assert http_answer(error).headers == {"Cache-Control": "no-store"}


def test_the_body_holds_no_text_of_the_vendor() -> None:
    """A vendor's text may repeat a code or an e-mail; only our own text about an argument is shown."""
    answer = http_answer(errors.OutOfStockError("no codes for ann@example.com: SECRET-1", error_id="PLE10024"))
    assert b"SECRET" not in answer.json()
    assert http_answer(errors.ArgumentError("quantity must be 1 or more")).body.detail == "quantity must be 1 or more"


LEVELS: list[tuple[XoxoError, Effect, int]] = [
    (errors.DenominationError("x"), "none", logging.INFO),
    (errors.RateLimitedError("x"), "none", logging.INFO),
    (errors.OutOfStockError("x"), "possible", logging.WARNING),
    (errors.OutcomeUnknownError("x"), "possible", logging.WARNING),
    (errors.CredentialsRejectedError("x"), "none", logging.WARNING),
]


@pytest.mark.parametrize(("error", "effect", "level"), LEVELS)
def test_doubt_is_logged_as_a_warning(
    error: XoxoError, effect: Effect, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """So is what a person must look at; a refusal is INFO. The poNumber is a field of the record."""
    caplog.set_level(logging.DEBUG, "xoxo_async")
    error.effect, error.po_number = effect, "PO-7"
    log_error(error)
    (record,) = caplog.records
    assert (record.levelno, record.__dict__["po_number"], record.__dict__["call_id"]) == (level, "PO-7", "")


def test_the_log_has_no_words_of_the_vendor(caplog: pytest.LogCaptureFixture) -> None:
    """Of an answer it has class, status and a known error id; of an error of ours the message."""
    caplog.set_level(logging.DEBUG, "xoxo_async")
    echo = errors.RefusedError("the code HUNTER-2 of ann@x.example", status=422, error_id="HUNTER-2", operation="other")
    unknown = errors.OutcomeUnknownError("HUNTER-2", status=500, po_number="PO-7")
    unknown.__cause__ = errors.ServerError("HUNTER-2", status=500)
    lost = errors.OutcomeUnknownError("no answer; the look-up failed as well (HUNTER-2)", po_number="PO-8")
    lost.__cause__ = errors.RefusedError("HUNTER-2", status=400)
    for error in (echo, unknown, lost, errors.ConfigError("this client is closed", operation="placeOrder")):
        log_error(error)
    assert [record.getMessage() for record in caplog.records] == [
        "answered 502 outcome_unknown: RefusedError, HTTP 422, unlisted, other",
        "answered 503 order_unknown: ServerError, HTTP 500, poNumber PO-7",
        "answered 503 order_unknown: RefusedError, HTTP 400, poNumber PO-8",
        "answered 500 wrong_settings: ConfigError: this client is closed [placeOrder]",
    ]


def test_the_page_has_the_table_of_the_code() -> None:
    """Each row of the documented table is a row of the code, in its order."""
    documented = [
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    rows = [(row.error.__name__ + f" {row.error_id}".rstrip(), str(row.status), row.code) for row in STATUS_TABLE]
    assert [row[:3] for row in documented[: len(rows)]] == rows
    assert [row[1:3] for row in documented[len(rows) :]] == [(str(row.status), row.code) for row in (IN_DOUBT, NO_KEY)]
    assert [row[3] for row in documented] == [row.detail for row in (*STATUS_TABLE, IN_DOUBT, NO_KEY)]
