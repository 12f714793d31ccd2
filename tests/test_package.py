"""What is delivered: a wheel of the package alone, and a lock that fits what it asks for."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def locked() -> dict[str, set[str]]:
    """Package → the versions the lock may install (several where Pythons differ)."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", LOCK, re.MULTILINE):
        versions.setdefault(name, set()).add(version)
    return versions


def test_the_wheel_holds_only_the_package_and_all_of_it(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"antiphon"}
    ours = {
        path.relative_to(ROOT).as_posix()
        for ending in ("py", "yaml", "j2")  # patterns of campaigns are texts
        for path in (ROOT / "antiphon").rglob(f"*.{ending}")
    }
    assert any(name.endswith(".j2") for name in ours)
    assert ours <= set(names)


def test_the_lock_satisfies_every_requirement_and_has_hashes() -> None:
    versions = locked()
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for requirement in map(Requirement, wanted):
        found = versions.get(requirement.name.lower().replace("_", "-"), set())
        assert found, requirement
        assert all(requirement.specifier.contains(version) for version in found), requirement
    assert LOCK.count("--hash=sha256:") >= sum(map(len, versions.values()))


def test_the_libraries_the_product_is_built_on_are_required() -> None:
    asked = {Requirement(line).name for line in PROJECT["project"]["dependencies"]}
    assert {"prefect", "sqlalchemy", "pandas", "jinja2", "sendgrid", "twilio"} <= asked
    assert "great-expectations" in asked
