"""An aiohttp.web app that gives out vouchers. It opens one client at its start and closes it at its end.

Run: python examples/aiohttp_app.py
"""

import math
from collections.abc import AsyncIterator

from aiohttp import web

from xoxo_async import XoxoClient, XoxoError, verdict_of

XOXO = web.AppKey("xoxo", XoxoClient)


async def client(app: web.Application) -> AsyncIterator[None]:
    """Open the client on the app's own event loop, and close it with the app."""
    async with XoxoClient.from_env() as xoxo:
        app[XOXO] = xoxo
        yield


async def claim(request: web.Request) -> web.Response:
    """Place the order of a claim. The same claim made again returns the same order."""
    body = await request.json()
    try:
        order = await request.app[XOXO].orders.place(
            product_id=body["product_id"],
            denomination=str(body["denomination"]),
            po_number=f"claim-{request.match_info['claim_id']}",
        )
    except XoxoError as error:
        verdict = verdict_of(error)
        if verdict.action == "again":
            wait = {"Retry-After": str(math.ceil(verdict.after_s))}
            return web.json_response({"error": f"claim again later: {type(error).__name__}"}, status=503, headers=wait)
        return web.json_response({"error": error.message}, status=422)
    codes = [voucher.code.reveal() for voucher in order.vouchers]
    return web.json_response({"order_id": order.order_id, "codes": codes})


def make_app() -> web.Application:
    """Build the app."""
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_post("/claims/{claim_id}", claim)
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=8000)
