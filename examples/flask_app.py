"""A Flask app that gives out vouchers, with one client for each process on a loop of its own.

Run: gunicorn --threads 8 flask_app:app
"""

from decimal import Decimal

import msgspec
from flask import Flask, Response, abort, jsonify, request

from xoxo_async import Order, XoxoError
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.integrations.http_status import http_answer, log_error

background = BackgroundDesk()
app = Flask(__name__)


class Claim(msgspec.Struct):
    """What a user claims."""

    product_id: int
    denomination: Decimal


@app.errorhandler(XoxoError)
def answer_error(error: XoxoError) -> Response:
    """Answer errors of the SDK by its table from error to HTTP status."""
    log_error(error)
    answer = http_answer(error)
    return Response(answer.json(), answer.status, answer.headers, content_type="application/json")


def po_number() -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    try:
        return derive_po_number(f"claims of {request.headers['X-User']}", request.headers["Idempotency-Key"])
    except KeyError:
        abort(422, "the header X-User or Idempotency-Key is missing")


@app.post("/claims")
def claim() -> Response:
    """Place the order of a claim. The same claim made again finds the same order."""
    po = po_number()
    try:
        fields = msgspec.structs.asdict(msgspec.json.decode(request.get_data(), type=Claim))
    except (msgspec.DecodeError, RecursionError):
        abort(422, "the body is no claim")
    return told(background.run(lambda desk: desk.place(**fields, po_number=po, wait_s=10)))


@app.get("/claims")
def poll() -> Response:
    """Read the order of a claim."""
    po = po_number()
    return told(background.run(lambda desk: desk.client.orders.get(po_number=po)))


def told(order: Order | None) -> Response:
    """Return the codes, or 202 while there are none."""
    pending = order is None or order.delivery_status == "pending"
    if pending:
        answer = jsonify(status="pending")
        answer.status_code, answer.headers["Retry-After"] = 202, "5"
        return answer
    return jsonify(status=order.delivery_status, codes=[voucher.code.reveal() for voucher in order.vouchers])
