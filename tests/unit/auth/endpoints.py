"""Token endpoints and providers for the tests of `auth`."""

import anyio
import msgspec

from xoxo_async import ClientCredentials, MemoryTokenStore, RefreshToken
from xoxo_async.auth import ExchangeAnswer, TokenStore
from xoxo_async.errors import ConnectError, XoxoError

NOW = 1_700_000_000.0
LIFETIME = 1_296_000.0
CLIENT = "client-0001-abcd"


class Clock:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Endpoint:
    """A token endpoint with one answer, which records its requests."""

    def __init__(self, answer: object) -> None:
        self.answer = answer if isinstance(answer, ExchangeAnswer) else ExchangeAnswer(200, msgspec.json.encode(answer))
        self.asked: list[tuple[str, bytes, str]] = []

    async def __call__(self, path: str, body: bytes, content_type: str, /) -> ExchangeAnswer:
        self.asked.append((path, body, content_type))
        await anyio.lowlevel.checkpoint()
        return self.answer


class Vendor:
    """A strict token endpoint: a refresh token works once, and each renewal gives the next pair.

    It can say something else first (`answers`), lose the answer to a renewal, or be unreachable (`lose`).
    """

    def __init__(self, *valid: str, answers: tuple[ExchangeAnswer, ...] = ()) -> None:
        self.valid = set(valid)
        self.answers = list(answers)
        self.sent: list[str] = []
        self.renewals = 0
        self.lose: XoxoError | None = None
        self.grace: set[str] = set()

    async def __call__(self, _path: str, body: bytes, _content_type: str, /) -> ExchangeAnswer:
        refresh = msgspec.json.decode(body)["refresh_token"]
        self.sent.append(refresh)
        await anyio.lowlevel.checkpoint()
        if isinstance(self.lose, ConnectError):
            raise self.lose
        if self.answers:
            return self.answers.pop(0)
        if refresh not in self.valid | self.grace:
            return ExchangeAnswer(400, b'{"error": "invalid_grant"}')
        self.valid.discard(refresh)
        self.renewals += 1
        self.valid.add(f"r{self.renewals}")
        if self.lose is not None:
            raise self.lose
        pair = {"access_token": f"a{self.renewals}", "refresh_token": f"r{self.renewals}", "expires_in": LIFETIME}
        return ExchangeAnswer(200, msgspec.json.encode(pair))


def credentials() -> ClientCredentials:
    return ClientCredentials("me", "s&cret", clock=Clock())


def provider(
    first: str = "first", store: TokenStore | None = None, *, clock: Clock | None = None, client_id: str = CLIENT
) -> RefreshToken:
    """Return a provider with this store, or with a new one."""
    return RefreshToken(client_id, "the-secret", first, store=store or MemoryTokenStore(), clock=clock or Clock())
