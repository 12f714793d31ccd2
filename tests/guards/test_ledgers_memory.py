"""Live sending on a ledger that may have forgotten what was sent is refused until confirmed."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from live_project import START, live_project, ticking

from antiphon.guards import memory
from antiphon.guards.memory import LiveSendingRefused, confirm, doubt, remembered, renew
from antiphon.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    opened = live_project(tmp_path / "shop", ticking())
    yield opened
    opened.ledger.close()


def copies(project: Project) -> list[Path]:
    return [Path(project.ledger.place + end) for end in ("", "-wal", "-shm")]


def put_aside(project: Project, folder: Path) -> None:
    """A copy of the ledger's file, as a person would make it of a closed ledger."""
    project.ledger.close()
    folder.mkdir()
    shutil.copy(project.ledger.place, folder / "ledger.db")


def put_back(project: Project, folder: Path) -> Project:
    place = project.ledger.place
    project.ledger.close()
    for path in copies(project):
        path.unlink(missing_ok=True)
    shutil.copy(folder / "ledger.db", place)
    return Project(project.root, project.configuration, {}, project.clock)


def send(project: Project) -> None:
    with remembered(project, reaches_people=True):
        pass


def test_a_new_ledger_sends_nothing_live_before_a_person_confirms_it(project: Project) -> None:
    with pytest.raises(LiveSendingRefused, match="is new"):
        send(project)
    confirm(project)
    send(project)
    send(project)
    assert doubt(project) == ""


def test_a_rehearsed_moment_sends_nothing_to_real_people(project: Project) -> None:
    confirm(project)
    rehearsed = {"ANTIPHON_AT": "2026-05-12T10:00+02:00"}
    at_another = Project(project.root, project.configuration, rehearsed, project.clock)
    with pytest.raises(LiveSendingRefused, match="as of 2026-05-12T10:00"):
        send(at_another)
    send(project)


def test_nothing_is_asked_where_nobody_is_reached(project: Project) -> None:
    with remembered(project, reaches_people=False):
        pass


def test_a_ledger_put_back_to_an_earlier_time_is_noticed(project: Project, tmp_path: Path) -> None:
    confirm(project)
    send(project)
    put_aside(project, tmp_path / "copy")
    send(project)
    older = put_back(project, tmp_path / "copy")
    with pytest.raises(LiveSendingRefused, match="put back to an earlier time"):
        send(older)
    renew(older)  # a dispatcher at work must not talk it away
    assert doubt(older)
    confirm(older)
    send(older)


def test_a_ledger_put_back_in_the_middle_of_a_dispatch_is_noticed(
    project: Project, tmp_path: Path
) -> None:
    confirm(project)
    with remembered(project, reaches_people=True):
        put_aside(project, tmp_path / "copy")
    assert "earlier time" in doubt(put_back(project, tmp_path / "copy"))


def test_a_copy_of_now_is_as_good_as_the_ledger(project: Project, tmp_path: Path) -> None:
    confirm(project)
    send(project)
    put_aside(project, tmp_path / "copy")
    assert doubt(put_back(project, tmp_path / "copy")) == ""


def test_a_dispatcher_killed_between_the_two_words_is_no_doubt(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm(project)
    send(project)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(memory, "_write", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                renew(project)
    assert doubt(project) == ""
    send(project)


def test_another_ledger_is_noticed_though_it_was_confirmed_elsewhere(
    project: Project, tmp_path: Path
) -> None:
    confirm(project)
    other = live_project(tmp_path / "other", ticking(START - timedelta(days=1)))
    confirm(other)
    other.ledger.close()
    send(project)
    swapped = put_back(project, tmp_path / "other" / "var")
    assert "another ledger" in doubt(swapped)


def test_a_second_machine_with_a_lake_of_its_own_sends_by_the_same_ledger(
    project: Project, tmp_path: Path
) -> None:
    confirm(project)
    send(project)
    lake = project.root / "var" / "lake"
    lake.rename(tmp_path / "lake of the first")
    send(project)
    lake.rename(tmp_path / "lake of the second")
    (tmp_path / "lake of the first").rename(lake)
    send(project)
    assert doubt(project) == ""


def test_a_damaged_file_is_a_doubt(project: Project) -> None:
    confirm(project)
    (project.root / "var" / "lake" / memory.FILE).write_text("{", encoding="utf-8")
    assert "damaged" in doubt(project)
    confirm(project)
    assert doubt(project) == ""


def test_a_clock_that_was_set_back_confirms_nothing(project: Project, tmp_path: Path) -> None:
    """Times are told, never compared."""
    confirm(project)
    send(project)
    put_aside(project, tmp_path / "copy")
    send(project)
    older = put_back(project, tmp_path / "copy")
    back = Project(older.root, older.configuration, {}, ticking(START - timedelta(days=400)))
    assert doubt(back)
    confirm(back)
    assert doubt(back) == ""
    memory.distrust(back.ledger, START + timedelta(days=9))
    memory.distrust(back.ledger, START - timedelta(days=900))
    assert "restored" in doubt(back)
