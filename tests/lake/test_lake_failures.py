"""A disk that is full, a folder without permission, manifests of other versions."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from staged_rows import files, merge, query, stage

from antiphon.errors import LakeError
from antiphon.lake import Lake

ROOT = Path(__file__).parents[2]


def test_a_full_disk_leaves_the_lake_as_it_was(lake: Lake, tmp_path: Path) -> None:
    merge(lake, "customers", [{"customer_id": "a"}])
    before, on_disk = lake.current(), files(lake)
    rows = [{"customer_id": os.urandom(16).hex()} for _ in range(20_000)]
    staged = stage(tmp_path / "big.parquet", "customers", rows)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(LakeError, match=r"full.*Free"), lake.change("x") as change:  # noqa: PT012
            change.merge("customers", [staged])
            change.publish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert lake.current() == before
    assert files(lake) == on_disk
    with lake.change("x") as change:
        change.merge("customers", [staged])
        change.publish()
    assert lake.current().rows["customers"] == 20_001


def test_a_tiny_disk_is_answered_with_the_path(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("no right to mount a tiny disk here; the limit on file size is tested above")
    try:
        lake = Lake(disk / "lake", threads=1)
        rows = [{"customer_id": os.urandom(16).hex()} for _ in range(20_000)]
        staged = stage(tmp_path / "big.parquet", "customers", rows)
        with pytest.raises(LakeError, match=r"disk is full") as error, lake.change("x") as change:
            change.merge("customers", [staged])
        assert str(disk) in str(error.value)
        assert lake.current().id == 0
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_is_answered_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    lake = Lake(tmp_path / "file" / "lake")
    with pytest.raises(LakeError, match=r"lake.path in config/settings.yaml"):
        lake.current()
    with pytest.raises(LakeError, match=r"lake.path"), lake.change("test"):
        pass


PERMISSION = """
import os, sys
os.setuid(65534)
from antiphon.errors import LakeError
from antiphon.lake import Lake
try:
    with Lake(sys.argv[1]).change("test"): pass
except LakeError as error:
    print(error)
"""


def test_a_folder_without_permission_is_answered_with_the_next_step(tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    folder.mkdir()
    if os.getuid() != 0:
        folder.chmod(0o500)
        with pytest.raises(LakeError, match=r"no permission"), Lake(folder).change("test"):
            pass
        return
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
            parent.chmod(0o755)
    script = PERMISSION.replace("os.setuid(65534)\n", "") + "\n"
    script = "import duckdb, pydantic, pyarrow, numpy\n" + script.replace(
        "try:", "os.setuid(65534)\ntry:"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "no permission" in done.stdout
    assert "lake.path in config/settings.yaml" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 2}', "format 2, this Antiphon knows up to 1. Install the newer"),
        ('{"format": 0}', "format 0, which this Antiphon no longer reads. Move"),
        ('{"format": 1, "id": "x"}', "damaged.*cp .*manifests/1.json"),
        ('{"form', "damaged.*cp .*manifests/1.json"),
        ("[]", "damaged"),
    ],
)
def test_a_manifest_of_another_version_or_damaged_is_refused(
    lake: Lake, text: str, message: str
) -> None:
    merge(lake, "products", [{"product_id": "p"}])
    merge(lake, "products", [{"product_id": "q"}])
    (lake.path / "manifest.json").write_text(text)
    with pytest.raises(LakeError, match=message):
        lake.current()
    with pytest.raises(LakeError, match=message), lake.change("test"):
        pass
    (lake.path / "manifest.json").write_bytes((lake.path / "manifests" / "1.json").read_bytes())
    assert query(lake, "SELECT product_id FROM products") == [("p",)]


@pytest.mark.parametrize("buckets", [0, 3, -2, 2**20])
def test_buckets_are_a_power_of_two(tmp_path: Path, buckets: int) -> None:
    with pytest.raises(LakeError, match=r"power of two"):
        Lake(tmp_path, buckets=buckets)
