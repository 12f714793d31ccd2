"""The ledger's version: an older ledger is migrated as it is opened, a newer one refused."""

import logging
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from antiphon.errors import LedgerError
from antiphon.ledger.engine import SCHEMA_LOCK, lock, place, reading, writing

log = logging.getLogger("antiphon.ledger")

HEAD = "0006"


def bring_up_to_date(engine: Engine, *, migrate: bool) -> None:
    """Leaves the ledger at version HEAD, whoever else opens it at the same moment.

    All steps happen in one transaction. Raises LedgerError when the ledger is newer than this
    program, or older and `migrate` is false.
    """
    with reading(engine) as connection:
        if _version(connection) == HEAD:
            return
    with writing(engine) as connection:
        lock(connection, SCHEMA_LOCK)
        version = _version(connection)
        if version != HEAD:
            _upgrade(connection, version, migrate)


def _version(connection: Connection) -> str | None:
    """None: an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, version: str | None, migrate: bool) -> None:
    from alembic import command  # noqa: PLC0415 (slow to import, seldom needed)
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    where = place(connection.engine.url)
    if version is not None and version not in known:
        raise LedgerError(
            f"the ledger at {where} is of version {version}, newer than this program knows "
            f"({HEAD}): update Antiphon on this machine, or point `ledger` to another one."
        )
    if not migrate:
        raise LedgerError(
            f"the ledger at {where} is {f'of version {version}' if version else 'empty'}, "
            f"this program needs {HEAD}: `antiphon run` brings it up to date."
        )
    log.info("ledger: from version %s to %s", version or "none", HEAD)
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
