"""One small company, read once; every test has a ledger and a lake of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from back_office import SALT, Clock, Office
from postgres_server import database, running_server

from antiphon.campaigns.configuration import Configuration
from antiphon.files import read_files
from antiphon.ledger import Ledger
from antiphon.project import Project, glance

SETTINGS = {
    "version": 1,
    "company": {
        "name": "Office",
        "postal_address": "Office, Street 1, 10115 Berlin",
        "website": "https://office.example",
        "email_from": "hello@office.example",
        "email_from_name": "Office",
        "sms_from": "Office",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["de"],
        "currency": "EUR",
    },
    "lake": {
        "threads": 1,
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "accounts": {"sendgrid": {"options": {"unsubscribe_groups": "promo=12, lifecycle=13"}}},
    "responses": {"stop_words": {"de": ["genug", "stopp"]}},
    "links": {"base_url": "https://mail.office.example"},
    "salt": SALT,
}
POLICY = {
    "version": 1,
    "consent": {"promo": "opt_in", "lifecycle": "opt_out", "service": "none"},
}


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    root = tmp_path_factory.mktemp("office")
    (root / "config" / "campaigns").mkdir(parents=True)
    for name, document in {"settings": SETTINGS, "policy": POLICY}.items():
        (root / "config" / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for name in ("sources", "segments"):
        empty = f"version: 1\n{name}: {{}}\n"
        (root / "config" / f"{name}.yaml").write_text(empty, encoding="utf-8")
    return glance(root, read_files(root)).configuration


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "template.db"
    Ledger.open(str(path)).close()
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str | None]:
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: str | None) -> Iterator[str]:
    if postgres is None:
        pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
    with database(postgres) as url:
        Ledger.open(url).close()
        yield str(sa.make_url(url).database)


def _office(configuration: Configuration, root: Path, ledger: Ledger) -> Office:
    clock = Clock()
    project = Project(root, configuration, {}, clock)
    project.__dict__["ledger"] = ledger  # where a cached property keeps it
    return Office(project, clock)


@pytest.fixture
def office(configuration: Configuration, sqlite_template: Path, tmp_path: Path) -> Iterator[Office]:
    """On SQLite."""
    path = shutil.copy(sqlite_template, tmp_path / "ledger.db")
    with Ledger(f"sqlite:///{path}") as ledger:
        yield _office(configuration, tmp_path, ledger)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def either(
    request: pytest.FixtureRequest, configuration: Configuration, tmp_path: Path
) -> Iterator[Office]:
    """On either database."""
    if request.param == "sqlite":
        yield request.getfixturevalue("office")
        return
    template = request.getfixturevalue("postgres_template")
    with database(request.getfixturevalue("postgres"), template) as url, Ledger(url) as ledger:
        yield _office(configuration, tmp_path, ledger)
