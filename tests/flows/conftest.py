"""One Prefect server for all tests of flows: it takes half a minute to start."""

from collections.abc import Iterator

import pytest
from prefect_server import Server, prefect_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prefect_server(tmp_path_factory.mktemp("prefect")) as one:
        yield one
