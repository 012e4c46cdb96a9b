"""A queue in memory: it delivers a message again when its verdict says so, and keeps the dead letters."""

import asyncio
from typing import Any

from xoxo_async import Verdict

__all__ = ["MemoryQueue"]


class MemoryQueue:
    """Waits before another delivery are cut to a moment; `ended` is set once no message is left."""

    def __init__(self, *messages: Any) -> None:
        self.acknowledged: list[str] = []
        self.dead: dict[str, str] = {}
        self.verdicts: list[Verdict] = []
        self._open = len(messages)
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = asyncio.Event()
        for message in messages:
            self._messages.put_nowait(message)

    async def receive(self) -> Any:
        return await self._messages.get()

    async def settle(self, message: Any, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        if verdict.action == "again":
            again = message._replace(deliveries=message.deliveries + 1)
            asyncio.get_running_loop().call_later(0.01, self._messages.put_nowait, again)
            return
        if verdict.action == "done":
            self.acknowledged.append(message.id)
        else:
            self.dead[message.id] = verdict.why
        self._open -= 1
        if not self._open:
            self.ended.set()
