"""Check the versions of Python and of the libraries, and say which extras are installed."""

import platform
import re
import sqlite3
import sys
from importlib import metadata
from typing import Final

from xoxo_async.doctor.findings import Finding, not_run

__all__ = ["check_versions"]

_PACKAGE: Final = "xoxo-async"
_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,.-]+\])?\s*(?:>=(?P<least>[\d.]+))?")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
_SYSTEM: Final = re.compile(r"""sys_platform\s*==\s*['"](\w+)['"]""")
_FOR_DEVELOPERS: Final = frozenset({"dev", "docs"})
_SQLITE: Final = (3, 37, 0)


def check_versions(requirements: list[str] | None = None) -> list[Finding]:
    """Return the findings about Python, the libraries and the extras.

    Args:
        requirements: The requirements of this package; those of the installed one by default.
    """
    if requirements is None:
        try:
            requirements = metadata.requires(_PACKAGE) or []
            own = metadata.version(_PACKAGE)
        except metadata.PackageNotFoundError:
            return [not_run("versions", "this package runs from a folder and is not installed")]
    else:
        own = "?"
    needed: list[tuple[str, str]] = []
    extras: dict[str, list[tuple[str, str]]] = {}
    for line in requirements:
        found, extra, system = _REQUIREMENT.match(line), _EXTRA.search(line), _SYSTEM.search(line)
        if system is not None and system[1] != sys.platform:
            continue
        if found is None or (extra is not None and extra[1] in _FOR_DEVELOPERS) or found["name"] == _PACKAGE:
            continue
        place = needed if extra is None else extras.setdefault(extra[1], [])
        place.append((found["name"], found["least"] or ""))
    installed = {name: _version(name) for name, _least in [*needed, *(one for all_ in extras.values() for one in all_)]}
    here = sorted(extra for extra, parts in extras.items() if all(installed[name] for name, _least in parts))
    return [_libraries(own, needed, installed, extras), _extras(here, sorted(set(extras) - set(here)), installed)]


def _libraries(
    own: str, needed: list[tuple[str, str]], installed: dict[str, str], extras: dict[str, list[tuple[str, str]]]
) -> Finding:
    versions = {"xoxo-async": own, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    versions |= {name: installed[name] or "missing" for name, _least in needed}
    every = [*needed, *(one for parts in extras.values() for one in parts if installed[one[0]])]
    old = [
        f"{name} {installed[name] or '(missing)'} < {least}" for name, least in every if _is_old(installed[name], least)
    ]
    if sqlite3.sqlite_version_info < _SQLITE:
        old.append(f"sqlite {sqlite3.sqlite_version} < 3.37")
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not old:
        return Finding(check="versions", status="ok", text=text, facts=dict(versions))
    return Finding(
        check="versions",
        status="fail",
        text=f"too old: {', '.join(old)}",
        advice="update them: pip install --upgrade xoxo-async",
        facts=dict(versions),
    )


def _extras(here: list[str], missing: list[str], installed: dict[str, str]) -> Finding:
    text = f"installed: {', '.join(here) or 'none'}"
    text += f"; not installed: {', '.join(missing)}" if missing else ""
    facts = {name: version for name, version in sorted(installed.items()) if version}
    return Finding(check="extras", status="ok", text=text, facts={"extras": here, "versions": facts})


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _is_old(version: str, least: str) -> bool:
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> list[int]:
    found = re.match(r"[\d.]*", version)
    return [int(part) for part in (found[0] if found else "").split(".") if part]
