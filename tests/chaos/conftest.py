"""A sandbox and databases for all storms of a file."""

from collections.abc import Iterator

import pytest
from chaos_databases import Databases, postgres_databases

from antiphon.sandbox.process import SandboxProcess, started


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """In a process of its own."""
    with started(tmp_path_factory.mktemp("sandbox")) as one:
        yield one


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    """Of PostgreSQL."""
    with postgres_databases() as found:
        if found is None:
            pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        yield found
