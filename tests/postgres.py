"""A PostgreSQL of the tests' own: a fresh cluster in a temporary folder, on a socket there, ended with the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

INSTALLED = Path("/usr/lib/postgresql")
URL = "CONCIERGE_INTERNAL_POSTGRES"
"""the environment variable that names another database instead"""


def programs() -> Path | None:
    """Where the newest installed version keeps its programs; None where there is none."""
    on_path = shutil.which("initdb")
    found = [p.parent for p in INSTALLED.glob("*/bin/initdb")] + ([Path(on_path).parent] if on_path else [])

    def version(folder: Path) -> int:
        number = re.search(r"\d+", folder.parent.name)
        return int(number[0]) if number else 0

    return max(found, key=version, default=None)


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database. PostgreSQL refuses to run as root: it is somebody else's process then."""
    if URL in os.environ:
        yield os.environ[URL]
        return
    folder = programs()
    assert folder is not None
    user = _somebody() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as home:
        if user is not None:
            os.chown(home, user.pw_uid, user.pw_gid)

        def run(program: str, *arguments: str) -> None:
            # Nothing may wait for a terminal, nor keep the pipes of the tests open.
            subprocess.run(
                [str(folder / program), *arguments], check=True, timeout=60, cwd=home, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user is not None else {}),
            )  # fmt: skip

        data = str(Path(home) / "data")
        run("initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
        # No port at all, only a socket in the folder; nothing here has to outlive a power cut.
        options = f"-c listen_addresses='' -c unix_socket_directories='{home}' -c fsync=off -c shared_buffers=16MB -c max_connections=20"
        log = str(Path(home) / "log")
        run("pg_ctl", "-D", data, "-l", log, "-w", "-t", "50", "-o", options, "start")
        try:
            yield f"postgresql://tests@/postgres?host={home}"
        finally:
            run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def _somebody() -> pwd.struct_passwd:
    """The user PostgreSQL's package made, or nobody."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("there is no user PostgreSQL could run as")
