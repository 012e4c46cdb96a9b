"""The books of a server, asked through the handlers and without HTTP."""

from decimal import Decimal
from typing import Any

import pytest

from xoxo_async.sandbox.handlers import FLAT_HANDLERS, HANDLERS
from xoxo_async.sandbox.reading import Refusal
from xoxo_async.sandbox.state import State

ORDER: dict[str, object] = {"productId": 1001, "quantity": 2, "denomination": 100, "poNumber": "PO-1"}
DAYS: dict[str, object] = {"startDate": "2023-11-14", "endDate": "2023-11-15"}
NO_DAYS: dict[str, object] = {"startDate": "2001-01-01", "endDate": "2001-01-02", "limit": 10, "page": 1}


class Server:
    """Books with a clock that the test sets. It answers in one of the two dialects."""

    def __init__(self, *, openapi: bool = False, balance: int = 100_000) -> None:
        self.now = 1_700_000_000.0
        self.openapi = openapi
        self.state = State(seed=1, balance=Decimal(balance), path=None, clock=lambda: self.now)

    def ask(self, operation: str, data: dict[str, object]) -> Any:
        return HANDLERS[operation](self.state, data, self.openapi)

    def place(self, **given: object) -> Any:
        return self.ask("placeOrder", {**ORDER, **given})

    def refused(self, operation: str, data: dict[str, object]) -> tuple[str, int]:
        with pytest.raises(Refusal) as caught:
            self.ask(operation, data)
        return caught.value.error_id, caught.value.status


class FlatServer:
    """Books that answer the operations with their own success flag."""

    def __init__(self, balance: int = 100_000) -> None:
        self.state = State(seed=1, balance=Decimal(balance), path=None)

    def ask(self, operation: str, **data: object) -> Any:
        return FLAT_HANDLERS[operation](self.state, data)
