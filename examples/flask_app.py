"""A Flask app that gives out vouchers, with one client for each process on a loop of its own.

Run: gunicorn --threads 8 flask_app:app
"""

from flask import Flask, Response, jsonify, request

from xoxo_async import Order, XoxoError
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.integrations.http_status import http_answer, log_error

background = BackgroundDesk()
app = Flask(__name__)


@app.errorhandler(XoxoError)
def answer_error(error: XoxoError) -> Response:
    """Answer errors of the SDK by its table from error to HTTP status."""
    log_error(error)
    answer = http_answer(error)
    return Response(answer.json(), answer.status, answer.headers, content_type="application/json")


def po_number() -> str:
    """Derive the poNumber from the caller's own key: never a random one. Your login gives the user."""
    return derive_po_number(f"claims of {request.headers['X-User']}", request.headers["Idempotency-Key"])


@app.post("/claims")
def claim() -> Response:
    """Place the order of a claim. The same claim made again finds the same order."""
    body, po = request.get_json(), po_number()
    fields = {"product_id": body["product_id"], "denomination": str(body["denomination"])}
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
