"""A Django app that gives out vouchers, with one client for each process on a loop of its own.

Run: uvicorn django_app:application, or: gunicorn django_app:wsgi
"""

import os
from decimal import Decimal

import msgspec
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import BadRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

from xoxo_async import Order, XoxoError
from xoxo_async.bulk import derive_po_number
from xoxo_async.integrations.background_desk import BackgroundDesk
from xoxo_async.integrations.http_status import http_answer, log_error

background = BackgroundDesk()


class XoxoErrors(MiddlewareMixin):
    """Answer errors of the SDK by its table from error to HTTP status."""

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer one error. Django calls this."""
        if not isinstance(error, XoxoError):
            return None
        log_error(error)
        answer = http_answer(error)
        return HttpResponse(answer.json(), "application/json", answer.status, headers=answer.headers)


class Claim(msgspec.Struct):
    """What a user claims."""

    product_id: int
    denomination: Decimal


def order_of(request: HttpRequest) -> dict[str, object]:
    """Read the order. The poNumber comes from the caller's own key: never a random one. Your login gives the user."""
    try:
        body = msgspec.json.decode(request.body, type=Claim)
        po = derive_po_number(f"claims of {request.headers['X-User']}", request.headers["Idempotency-Key"])
    except (msgspec.DecodeError, RecursionError, KeyError):
        raise BadRequest("the body is no claim, or a header is missing") from None
    return {**msgspec.structs.asdict(body), "po_number": po}


async def claim(request: HttpRequest) -> HttpResponse:
    """Place an order on the background loop: Django cancels the view if its client disconnects, and not the order."""
    order = order_of(request)
    return told(await background.call(lambda desk: desk.place(**order, wait_s=10)))


def claim_sync(request: HttpRequest) -> HttpResponse:
    """Do the same in a sync view."""
    order = order_of(request)
    return told(background.run(lambda desk: desk.place(**order, wait_s=10)))


def told(order: Order | None) -> HttpResponse:
    """Return the codes, or 202 while there are none."""
    if order is None or order.delivery_status == "pending":
        return JsonResponse({"status": "pending"}, status=202, headers={"Retry-After": "5"})
    return JsonResponse({"status": order.delivery_status, "codes": [each.code.reveal() for each in order.vouchers]})


urlpatterns = [path("claims", claim), path("claims-sync", claim_sync)]
middleware = [f"{__name__}.XoxoErrors"]  # an app with sessions also has Django's own, and its check of CSRF tokens
secret = os.environ.get("DJANGO_SECRET_KEY", "for-development")
settings.configure(ROOT_URLCONF=__name__, MIDDLEWARE=middleware, SECRET_KEY=secret, ALLOWED_HOSTS=["127.0.0.1"])
application, wsgi = get_asgi_application(), get_wsgi_application()
