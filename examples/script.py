"""Place one order from a script. The settings come from XOXO_* variables, and every outcome is handled.

Run: python examples/script.py PO-NUMBER PRODUCT_ID DENOMINATION
"""

import asyncio
import sys

from xoxo_async import XoxoClient, errors


async def main(po_number: str, product_id: int, denomination: str) -> int:
    """Place one order, or find the order that was placed with this poNumber before."""
    async with XoxoClient.from_env() as xoxo:
        try:
            order = await xoxo.orders.place(product_id=product_id, denomination=denomination, po_number=po_number)
        except errors.OutcomeUnknownError as error:
            print(f"The outcome is not known yet. Run again with the same poNumber {error.po_number}.", file=sys.stderr)
            return 4
        except errors.XoxoError as error:
            print(f"Not ordered: {error}", file=sys.stderr)
            return 3
    for voucher in order.vouchers:
        print(voucher.code.reveal())
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
