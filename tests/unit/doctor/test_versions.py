"""`versions`: what is installed is named, and what is too old fails."""

import sys

from xoxo_async.doctor.versions import check_versions


def test_the_installed_package_is_in_order() -> None:
    """Python, libraries and extras are named, and none is too old."""
    libraries, extras = check_versions()
    assert (libraries.status, extras.status) == ("ok", "ok")
    assert libraries.facts["python"] == sys.version.split()[0]
    assert {"aiohttp", "msgspec", "anyio"} <= libraries.facts.keys()
    assert "cli" in extras.facts["extras"]
    assert "dev" not in extras.text


def test_an_old_library_fails() -> None:
    """So does one that is missing. An extra that is not there is no fault."""
    found = check_versions(["aiohttp>=999", "nosuch-package>=1", "nosuch-extra>=1; extra == 'x'", "msgspec>=0.1"])
    assert found[0].status == "fail"
    assert "aiohttp 3" in found[0].text
    assert "nosuch-package (missing) < 1" in found[0].text
    assert "msgspec" not in found[0].text
    assert "not installed: x" in found[1].text
