"""The walls of the house, kept by reading imports."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PURE = ("campaigns", "audience", "policy", "audit", "message", "response")
OUTER = (
    "lake",
    "ledger",
    "providers",
    "sources",
    "validation",
    "web",
    "steps",
    "dispatch",
    "guards",
    "alerts",
    "sandbox",
    "collection",
    "offers",
    "surveys",
    "privacy",
    "reports",
    "town",
)
ONLY_IN = {
    "duckdb": ("antiphon/lake/",),
    "sqlalchemy": ("antiphon/ledger/", "antiphon/sources/"),
    "alembic": ("antiphon/ledger/",),
    "great_expectations": ("antiphon/validation/",),
    "pandas": ("antiphon/validation/", "antiphon/response/", "antiphon/reports/", "antiphon/town/"),
    "prefect": ("flows/", "tasks/"),
    "aiohttp": ("antiphon/providers/",),
    "sendgrid": ("antiphon/providers/",),
    "python_http_client": ("antiphon/providers/",),
    "twilio": ("antiphon/providers/",),
    "starlette": ("antiphon/sandbox/", "antiphon/web/"),
    "uvicorn": ("antiphon/sandbox/", "antiphon/web/", "flows/engine.py"),
}


def _modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_pure_rooms_import_no_store_no_provider_and_no_edge() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in _modules(*(f"antiphon/{room}" for room in PURE))
        for name in _imports(tree)
        if name.startswith(tuple(f"antiphon.{room}" for room in OUTER))
    ]
    assert wrong == []


def test_the_auditor_shares_nothing_with_the_arbiter_but_the_parsed_rules() -> None:
    """And the moment, which is the run's. The arbiter never asks the auditor."""
    shared = ("antiphon.policy.moment", "antiphon.policy.terms")
    wrong = [
        f"{path} imports {name}"
        for path, tree in _modules("antiphon/audit", "antiphon/policy")
        for name in _imports(tree)
        if (path.startswith("antiphon/audit/") and name.startswith("antiphon.policy."))
        or (path.startswith("antiphon/policy/") and name.startswith("antiphon.audit"))
        if not name.startswith(shared)
    ]
    assert wrong == []


def test_the_package_imports_neither_flows_nor_tasks() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, tree in _modules("antiphon")
        for name in _imports(tree)
        if name.split(".")[0] in {"flows", "tasks", "prefect"}
    ]
    assert wrong == []


def test_tasks_import_no_flows() -> None:
    assert not any(
        name.split(".")[0] == "flows" for _, tree in _modules("tasks") for name in _imports(tree)
    )


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_engine_has_one_room(library: str) -> None:
    wrong = [
        path
        for path, tree in _modules("antiphon", "flows", "tasks")
        if any(name.split(".")[0] == library for name in _imports(tree))
        and not path.startswith(ONLY_IN[library])
    ]
    assert wrong == []


def test_pure_rooms_ask_no_clock() -> None:
    wrong = [
        f"{path}:{node.lineno}"
        for path, tree in _modules(*(f"antiphon/{room}" for room in PURE))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow", "monotonic"}
    ]
    assert wrong == []


def test_no_sql_asks_a_clock() -> None:
    asks = re.compile(r"\b(?:now|today)\s*\(|\bcurrent_(?:date|timestamp|time)\b", re.IGNORECASE)
    wrong = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sql").rglob("*.sql")
        if asks.search(re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")))
    ]
    assert wrong == []


def test_config_templates_and_sql_hold_no_python() -> None:
    folders = ("config", "templates", "sql")
    assert [path for folder in folders for path in (ROOT / folder).rglob("*.py")] == []


def test_no_committed_file_names_a_registry_or_a_path_of_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = ["pypi" + ".org", "python" + "hosted", "registry.npm" + "js", "deb.debian" + ".org"]
    places = ["/work" + "/", "/root/" + "."]
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file() or path.suffix in {".png", ".gz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        wrong += [f"{name}: {word}" for word in (*hosts, *places) if word in text]
    assert wrong == []


def test_check_imports_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys; import antiphon.check, antiphon.project, antiphon.cli;"
        "heavy = {'prefect', 'pandas', 'great_expectations', 'duckdb', 'sqlalchemy', 'pyarrow',"
        "'aiohttp', 'sendgrid', 'twilio', 'python_http_client', 'starlette', 'uvicorn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
