"""What an examination finds: one finding for each check, each with what to do."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from xoxo_async.errors import BulkError, ConfigError, XoxoError

__all__ = ["Diagnosis", "Finding", "Status", "failed", "not_run"]

Status = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. It holds no secret.

    Attributes:
        check: The check's name, for example `clock`.
        status: `ok`; `warn` where something needs attention, or could not be checked; `fail` where work would fail.
        text: What was found, in one line.
        advice: What to do; empty for nothing.
        about: What failed: a `setting` of yours, the `server` and the way to it, a `refusal`, or `money` that may have
            moved twice.
        facts: The same as values, for a program.
    """

    check: str
    status: Status
    text: str
    advice: str = ""
    about: Literal["setting", "server", "refusal", "money"] = "setting"
    facts: Mapping[str, object] = {}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All findings of an examination, in the order in which they were made.

    Attributes:
        findings: The findings.
    """

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that fail."""
        return tuple(finding for finding in self.findings if finding.status == "fail")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that warn."""
        return tuple(finding for finding in self.findings if finding.status == "warn")

    def without(self, secrets: Iterable[str]) -> "Diagnosis":
        """Return the same findings with the given texts masked.

        No finding should hold a secret. This is a second guard, for the words of servers and systems.

        Args:
            secrets: The texts. Those of less than four characters mask nothing.
        """
        words = [secret for secret in secrets if len(secret) > 3]
        return Diagnosis(findings=tuple(_masked(finding, words) for finding in self.findings))


def failed(check: str, error: XoxoError, *, advice: str = "") -> Finding:
    """Return the finding of a check that an error ended.

    Args:
        check: The check's name.
        error: The error.
        advice: What to do.
    """
    about: Literal["setting", "server"] = "setting" if isinstance(error, ConfigError | BulkError) else "server"
    return Finding(check=check, status="fail", text=" ".join(str(error).split()), advice=advice, about=about)


def not_run(check: str, why: str) -> Finding:
    """Return the finding of a check that could not run.

    Args:
        check: The check's name.
        why: Why not.
    """
    return Finding(check=check, status="warn", text=f"not checked: {why}")


def _masked(finding: Finding, words: list[str]) -> Finding:
    def mask(value: Any) -> Any:
        match value:
            case str():
                for word in words:
                    value = value.replace(word, "***")
                return value
            case dict():
                return {name: mask(item) for name, item in value.items()}
            case list() | tuple():
                return [mask(item) for item in value]
            case _:
                return value

    return msgspec.structs.replace(
        finding, text=mask(finding.text), advice=mask(finding.advice), facts=mask(finding.facts)
    )
