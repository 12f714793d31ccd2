"""Whatever is told of a message, in whatever order, it never moves backwards."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from outbox_scene import HOUR, NOW, claimed, rows, scene

from antiphon.ledger import Ledger, Outcome
from antiphon.states import NEXT, MessageState

S = MessageState
IDS = rows(3)["message_id"].to_pylist()
LEFT = {S.ACCEPTED, S.DELIVERED, S.BOUNCED}


@cache
def prepared() -> bytes:
    """A ledger's file with three messages: planned once, for all examples."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with Ledger.open(str(path)) as ledger:
            scene(ledger, rows(3))
        return path.read_bytes()


class OutboxMachine(RuleBasedStateMachine):
    """The ledger beside a model of three messages: state and claim holder."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "ledger.db"
        path.write_bytes(prepared())
        self.ledger = Ledger.open(str(path))
        self.model = dict.fromkeys(IDS, (S.PLANNED, None))
        self.now = NOW

    @rule(limit=st.integers(1, 3), holder=st.sampled_from(["a", "b"]))
    def claim(self, limit: int, holder: str) -> None:
        due = sum(state is S.PLANNED for state, _ in self.model.values())
        batch = claimed(self.ledger, limit, self.now, holder, HOUR)
        assert len(batch) == min(limit, due)
        for message in batch:
            assert self.model[message.message_id][0] is S.PLANNED
            self.model[message.message_id] = (S.SENDING, holder)

    @rule(
        told=st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(list(S))), max_size=6),
        holder=st.sampled_from(["a", "b", None]),
    )
    def record(self, told: list[tuple[str, MessageState]], holder: str | None) -> None:
        outcomes = []
        moved = 0
        for message_id, state in told:
            later = self.now if state is S.PLANNED else None
            outcomes.append(Outcome(message_id, state, not_before=later))
            present, owner = self.model[message_id]
            mine = present is not S.SENDING or (
                state in LEFT if holder is None else owner == holder
            )
            if present is not S.PLANNED and state in NEXT[present] and mine:
                self.model[message_id] = (state, owner)
                moved += 1
        assert self.ledger.messages.record(outcomes, self.now, holder).moved == moved

    @rule()
    def recover(self) -> None:
        self.now += HOUR
        self.ledger.messages.recover(self.now)
        for message_id, (state, owner) in self.model.items():
            if state is S.SENDING:
                self.model[message_id] = (S.IN_DOUBT, owner)

    @rule(message_id=st.sampled_from(IDS))
    def withdraw(self, message_id: str) -> None:
        state, owner = self.model[message_id]
        taken = self.ledger.messages.withdraw("by hand", self.now, ids=[message_id])
        assert taken == (state is S.PLANNED)
        if taken:
            self.model[message_id] = (S.WITHDRAWN, owner)

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        for message_id, (state, _) in self.model.items():
            message = self.ledger.messages.get(message_id)
            assert message is not None
            assert message.state is state

    @invariant()
    def every_log_moves_forward_and_ends_at_the_present(self) -> None:
        for message_id, (state, _) in self.model.items():
            states = [entry.state for entry in self.ledger.messages.log(message_id)]
            assert states[0] is S.PLANNED
            assert states[-1] is state
            pairs = pairwise(states)
            assert all(after in NEXT[before] for before, after in pairs)

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestOutboxMovesForward = OutboxMachine.TestCase
