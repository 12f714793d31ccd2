"""What a project holds after its runs, in forms that two projects can be compared by."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from run_processes import JOURNAL, frozen

from antiphon.ledger import Message
from antiphon.project import Project, open_project
from antiphon.states import MessageState
from antiphon.steps.intake import SOURCE_ENTITIES

WRITTEN = {".eml", ".txt"}


@dataclass(frozen=True)
class State:
    """One project at rest."""

    project: Project

    @property
    def runs(self) -> list[str]:
        """Each run's state, oldest first."""
        return [run.state.value for run in reversed(self.project.ledger.runs.latest())]

    @property
    def last(self) -> str:
        """The latest run's id."""
        return self.project.ledger.runs.latest()[0].run_id

    def messages(self) -> list[Message]:
        """All messages of all runs."""
        runs = self.project.ledger.runs.latest()
        return [one for run in runs for one in self.project.ledger.messages.of_run(run.run_id)]

    def states(self) -> Counter[str]:
        """How many messages stand where."""
        return Counter(message.state.value for message in self.messages())

    def written_to(self) -> Counter[tuple[str, str]]:
        """(campaign, customer) of every file in the outbox."""
        of = {one.message_id: (one.campaign, one.customer_id) for one in self.messages()}
        return Counter(of[path.stem] for path in self.files())

    def accepted(self) -> Counter[tuple[str, str]]:
        """(campaign, customer) of every message the ledger believes delivered."""
        return Counter(
            (one.campaign, one.customer_id)
            for one in self.messages()
            if one.state is MessageState.ACCEPTED
        )

    def files(self) -> list[Path]:
        """Delivered messages."""
        outbox = self.project.var / "outbox"
        return sorted(path for path in outbox.glob("*/*/*") if path.suffix in WRITTEN)

    def journal(self) -> Counter[str]:
        """How often each message was handed to the disk."""
        path = self.project.root / JOURNAL
        return Counter(path.read_text(encoding="utf-8").split()) if path.exists() else Counter()

    def decisions(self, run_id: str = "") -> list[tuple[Any, ...]]:
        """Every decision of a run (absent: the last) in one order, all columns but what names the
        run and its files."""
        snapshot = self.project.lake.current()
        paths = snapshot.files("decisions", run_id or self.last)
        assert paths, "no decisions are kept"
        files = ", ".join(f"'{path}'" for path in paths)
        with self.project.lake.session(snapshot) as session:
            table = session.arrow(
                "SELECT * EXCLUDE (run_id, configuration) "
                f"FROM read_parquet([{files}], union_by_name = true) "
                "ORDER BY campaign, customer_id"
            )
        return [tuple(row.values()) for row in table.to_pylist()]

    def facts(self) -> dict[str, int]:
        """Rows of every entity, each of them read."""
        with self.project.lake.session() as session:
            return {
                entity: session.rows(f"SELECT count(*) FROM (SELECT * FROM {entity})")[0][0]
                for entity in SOURCE_ENTITIES
            }

    def contacts(self) -> list[tuple[str, str, str]]:
        """Contacts the next run will count, as the lake holds them."""
        with self.project.lake.session() as session:
            return session.rows(
                "SELECT campaign, customer_id, state FROM contacts WHERE state <> 'refused' "
                "ORDER BY ALL"
            )

    def counts(self, step: str) -> dict[str, int]:
        """What a step of the last run counted."""
        steps = self.project.ledger.runs.steps(self.last)
        return next(dict(one.counts) for one in steps if one.step == step)


def state_of(root: Path) -> State:
    """The project's state, read afresh."""
    return State(open_project(root, frozen))


def assert_same_end(root: Path, reference: Path) -> None:
    """Whatever happened on the way, the run ended as one that nobody disturbed."""
    ours, theirs = state_of(root), state_of(reference)
    assert ours.runs == ["finished"]
    assert ours.written_to() == theirs.written_to(), "somebody was forgotten, or written to twice"
    assert set(ours.written_to().values()) == {1}
    assert ours.accepted() == theirs.accepted()
    assert set(ours.states()) <= {"accepted", "control", "refused"}
    assert ours.states()["control"] == theirs.states()["control"]
    assert set(ours.journal().values()) == {1}, "a message was handed over twice"
    assert {path.stem for path in ours.files()} == {
        one.message_id for one in ours.messages() if one.state is MessageState.ACCEPTED
    }
    assert ours.decisions() == theirs.decisions()
    assert ours.facts() == theirs.facts()
    assert ours.contacts() == theirs.contacts()
    assert_accounted(ours)
    manifest = ours.project.lake.current().manifest
    assert all((ours.project.lake.path / path).exists() for path in manifest.paths())
    assert not list((ours.project.lake.path / "pins").glob("r*-*")), "a pin was left behind"
    assert not list((ours.project.lake.path / "staging").iterdir())


def assert_accounted(state: State) -> None:
    """Rows in = clean + quarantined + superseded + deleted."""
    validated, published = state.counts("validate"), state.counts("publish")
    assert sum(state.counts("pull").values()) == validated["rows"]
    assert validated["rows"] == validated["clean"] + validated["quarantined"]
    assert validated["clean"] == sum(published[k] for k in ("clean", "superseded", "deleted"))
