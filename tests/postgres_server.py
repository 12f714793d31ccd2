"""A PostgreSQL server for tests: ANTIPHON_TEST_POSTGRES, or a private one, or none."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

INSTALLED = Path("/usr/lib/postgresql")


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[str | None]:
    """The URL of a server on which databases may be created; None where there is no PostgreSQL.

    What is committed is not forced to the disk, unless `durable`.
    """
    given = os.environ.get("ANTIPHON_TEST_POSTGRES")
    if given:
        yield given
        return
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="antiphon-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")  # PostgreSQL refuses to run as root
        data = folder / "data"
        _run(binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=50"
        options += "" if durable else " -c fsync=off"
        control = (binaries / "pg_ctl", "-D", data, "-w")
        _run(*control, "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            _run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server: str, like: str = "") -> Iterator[str]:
    """The URL of a new database on the server, gone afterwards; a copy of the one named `like`."""
    name = f"antiphon_{uuid4().hex}"
    address = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        template = f" TEMPLATE {like}" if like else ""
        connection.exec_driver_sql(f"CREATE DATABASE {name}{template}")
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    newest = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return newest[-1].parent if newest else None


def _run(*command: Path | str) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    subprocess.run(
        [str(part) for part in command],
        user=user,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
