"""Print the folder in memory that tests may write into; nothing where it has no room, or where TMPDIR names another."""

import os
import shutil
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
_ROOM: Final = 2 << 30
"""The folders of a run of all tests took 160 MB. The databases that tests start are in memory as well."""


def _runs_programs(folder: Path) -> bool:
    """Return whether a program in this folder may be run: some tests write one."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC


if (
    not os.environ.get("TMPDIR")
    and _MEMORY.is_dir()
    and os.access(_MEMORY, os.W_OK)
    and shutil.disk_usage(_MEMORY).free >= _ROOM
    and _runs_programs(_MEMORY)
):
    print(_MEMORY)
