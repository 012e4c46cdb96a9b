"""A road that goes nowhere."""

from typing import Any

import pytest


class FakeDispatch:
    """Answers with what it was given, in order, and keeps what it was asked."""

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
    """Return a fake dispatch: put `answers` in, look at `asked` afterwards."""
    return FakeDispatch()
