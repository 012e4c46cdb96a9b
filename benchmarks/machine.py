"""What a figure was measured with: the machine, the interpreter, the libraries, and how busy the machine was."""

import importlib.metadata
import os
import platform
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_LIBRARIES: Final = (
    "xoxo-async", "aiohttp", "msgspec", "anyio", "uvloop", "XlsxWriter", "Jinja2", "vl-convert-python", "fastapi",
    "uvicorn", "asyncpg", "httpx", "pydantic", "orjson", "requests",
)  # fmt: skip
_LOAD: Final = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None
"""Processes that wanted a core in the minute before the start. More of them than cores disturb every wall time."""
_MODEL: Final = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


def described() -> dict[str, object]:
    """Return when and on what this runs. It names no host and no path: the page is passed on."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{_processor()}, {_cores()} cores, {_memory_gb():.0f} GB, {platform.system()} {_release()}",
        "load": _LOAD,
        "python": platform.python_version(),
        "versions": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def _processor() -> str:
    with suppress(OSError):
        found = _MODEL.search(Path("/proc/cpuinfo").read_text())
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> float:
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return 0.0


def _release() -> str:
    """Return the version of the kernel, without what a distribution or a host of containers adds to it."""
    return re.split(r"[^\d.]", platform.release(), maxsplit=1)[0].rstrip(".")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
