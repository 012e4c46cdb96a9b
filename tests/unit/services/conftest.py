"""A fake dispatcher that sends nothing, for the tests of services."""

from typing import Any

import pytest


class FakeDispatch:
    """Returns the given answers in order, and keeps the operations and requests."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[tuple[str, Any]] = []

    async def __call__(self, operation: Any, request: Any, /) -> Any:
        self.asked.append((operation.name, request))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.fixture
def road() -> FakeDispatch:
    """Return a fake dispatcher: fill `answers` before the call, and read `asked` after it."""
    return FakeDispatch()
