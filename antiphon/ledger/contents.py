"""Texts kept by their content: configuration, templates, SQL; for ever, compressed."""

import hashlib
import json
import zlib

from sqlalchemy import Engine, select

from antiphon.errors import LedgerError
from antiphon.files import ProjectFiles
from antiphon.keys import SEPARATOR
from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.schema import contents


class Contents:
    """The contents of one ledger, by hash."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, content: str | bytes) -> str:
        """The hash (32 hex digits, for text as `keys.digest("content", text)`) to ask for it by."""
        body = content.encode() if isinstance(content, str) else content
        prefix = f"content{SEPARATOR}".encode()
        key = hashlib.md5(prefix + body, usedforsecurity=False).hexdigest()
        self._keep(key, body)
        return key

    def get(self, key: str) -> bytes:
        """What was put; LedgerError when nothing was."""
        with reading(self._engine) as connection:
            query = select(contents.c.body).where(contents.c.hash == key)
            body = connection.execute(query).scalar_one_or_none()
        if body is None:
            raise LedgerError(f"the ledger holds no content {key}.")
        return zlib.decompress(body)

    def put_files(self, files: ProjectFiles) -> str:
        """Keeps all of the user's files as they are; returns `files.hash`."""
        self._keep(files.hash, json.dumps(dict(files.texts)).encode())
        return files.hash

    def files(self, files_hash: str) -> ProjectFiles:
        """The user's files as they were; LedgerError when they were not kept."""
        return ProjectFiles(json.loads(self.get(files_hash)))

    def _keep(self, key: str, body: bytes) -> None:
        with writing(self._engine) as connection:
            row = {"hash": key, "body": zlib.compress(body)}
            connection.execute(insert_new(connection, contents), row)
