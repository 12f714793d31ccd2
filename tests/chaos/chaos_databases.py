"""PostgreSQL databases for chaos: each storm has its own, and the server can be out of reach."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import sqlalchemy as sa
from postgres_server import running_server

SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Databases:
    """A server's databases; `folder` of its socket, None where it is reached otherwise."""

    server: sa.URL
    folder: Path | None

    def new(self) -> str:
        """The URL of an empty one."""
        name = f"chaos_{uuid4().hex}"
        with psycopg.connect(_text(self.server), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return _text(self.server.set(database=name))

    @contextmanager
    def out_of_reach(self) -> Iterator[None]:
        """Every connection breaks, and no new one is made."""
        assert self.folder is not None
        aside = self.folder / "aside"
        aside.mkdir(exist_ok=True)
        (self.folder / SOCKET).rename(aside / SOCKET)
        try:
            reached = _text(self.server.update_query_dict({"host": str(aside)}))
            with psycopg.connect(reached, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname LIKE 'chaos%'"
                )
            yield
        finally:
            (aside / SOCKET).rename(self.folder / SOCKET)
            time.sleep(0.1)


@contextmanager
def postgres_databases() -> Iterator[Databases | None]:
    """None where there is no PostgreSQL."""
    with running_server() as url:
        if url is None:
            yield None
            return
        server = sa.make_url(url).set(drivername="postgresql")
        folder = Path(str(server.query.get("host", "")))
        yield Databases(server, folder if (folder / SOCKET).exists() else None)


def _text(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)
