"""A PostgreSQL of its own for the tests: made in a temporary folder, on a free port of loopback, run, and removed.

Usage: python -m tests.studies.postgres COMMAND... runs COMMAND with its URL in RTB_TEST_POSTGRES_URL. As root, the
server runs as the user "nobody": PostgreSQL refuses to be root. RTB_POSTGRES_BIN names its folder if it is elsewhere.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.studies.conftest import POSTGRES_VARIABLE


def binaries():
    """The folder of initdb and pg_ctl: that of RTB_POSTGRES_BIN, of the path, or the newest of Debian's packages."""
    on_path = shutil.which("pg_ctl")
    folders = [os.environ.get("RTB_POSTGRES_BIN", ""), str(Path(on_path).resolve().parent) if on_path else ""]
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in [*folders, *map(str, debian)]:
        if folder and (Path(folder) / "initdb").exists():
            return Path(folder)
    raise SystemExit("PostgreSQL is not installed: apt-get install postgresql, or set RTB_POSTGRES_BIN")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    folder = Path(tempfile.mkdtemp(prefix="rtb-postgres-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, bin, port = folder / "data", binaries(), free_port()

    def run(*command):
        environment = {**os.environ, "HOME": str(folder)}
        subprocess.run(command, check=True, user=user, cwd=folder, env=environment, stdout=subprocess.DEVNULL)

    try:
        run(bin / "initdb", "-D", data, "-U", "rtb", "--auth=trust", "--encoding=UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        run(bin / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            url = f"postgresql://rtb@127.0.0.1:{port}/postgres"
            return subprocess.run(sys.argv[1:], env={**os.environ, POSTGRES_VARIABLE: url}).returncode
        finally:
            run(bin / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
