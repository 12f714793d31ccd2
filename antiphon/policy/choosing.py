"""The choice among a bucket's candidates: exempt ones first, then slots, rules and rivals."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import CHANNELS
from antiphon.policy.arbitration import arbitrate
from antiphon.policy.arms import Arms, is_control
from antiphon.policy.candidates import Candidates, Chosen, RuleNames
from antiphon.policy.columns import Indices, nullable_numbers, numbered, texts
from antiphon.policy.decisions import Extras
from antiphon.policy.kinds import Kind
from antiphon.policy.moving import leaves_before, movable_until
from antiphon.policy.past import Past
from antiphon.policy.rulebook import Begun, Rulebook
from antiphon.policy.rules import Rule
from antiphon.policy.setting import Setting
from antiphon.policy.settling.households import household_columns
from antiphon.policy.slots import Slots

Wholes = npt.NDArray[np.int64]


class Choosing:
    """One bucket's choice; what it decides stands in `pairs`."""

    def __init__(
        self,
        pairs: Candidates,
        setting: Setting,
        past: Past,
        *,
        rulebook: Rulebook,
        arms: Arms,
        names: RuleNames,
    ) -> None:
        self._pairs, self._setting, self._past = pairs, setting, past
        self._rulebook, self._arms, self._names = rulebook, arms, names
        self._before = past.contacts(setting.policy, setting.customers)
        self._contacts = self._before
        self._begun: Begun = (np.zeros(0, np.int32), pa.array([], pa.string()))
        self._kind = self._kinds()
        touches = pairs.asked.touches
        self._values = {
            place: nullable_numbers(setting.people, f"value:{touch.name}", null=-np.inf)
            for place, touch in enumerate(touches)
            if touch.campaign.value is not None
        }

    def choose(self) -> None:
        """Decide every open candidate: those left open are the winners."""
        pairs, policy = self._pairs, self._setting.policy
        is_exempt = pairs.are_exempt(policy)
        free = pairs.open(is_exempt)
        self._begin(free)
        self._count(free)
        rivals = pairs.open(~is_exempt)
        slots = Slots(
            self._setting.moment,
            pairs.planned[rivals],
            self._setting.customers,
            policy.winners_per_day,
        )
        taken = self._past.takes_slot(policy)
        slots.take(slots.places(self._past.customer[taken], self._past.at[taken]))
        place = slots.places(pairs.customer[rivals], pairs.planned[rivals])
        arbitrate(
            pairs,
            *self._with_slot(rivals, place, slots),
            slots,
            judge=self._judge,
            worth=self.worth if self._values else None,
            tie=lambda tied: self._arms.ties(*self._units(tied)),
            lost_to=self._names.number(Rule.LOST_TO),
        )

    def arms(self, rows: Chosen) -> npt.NDArray[np.int16]:
        """Arms of candidates, control included: positions in `Arms.words`."""
        return self._arms.of(*self._units(rows), self._pairs.planned[rows])

    def worth(self, rows: Chosen) -> npt.NDArray[np.float64]:
        """Values of candidates (rising), −inf where the campaign has none for the customer."""
        worth = np.full(len(rows), -np.inf)
        done = 0
        for touch, mine in self._pairs.by_touch(rows):
            if touch in self._values:
                worth[done : done + len(mine)] = self._values[touch][self._pairs.customer[mine]]
            done += len(mine)
        return worth

    def extras(self, rows: Chosen) -> Extras:
        """What `settle` goes by, of the winners (rising)."""
        setting, customer = self._setting, pa.array(self._pairs.customer[rows])
        columns = household_columns(setting.policy, setting.moment)
        return Extras(
            value=self.worth(rows),
            movable_until=movable_until(
                self._pairs, rows, self._before, setting, self._rulebook.leaving
            ),
            leaves_before=leaves_before(self._pairs, rows, setting, self._rulebook.leaving),
            stratum=self._strata(rows),
            columns={name: setting.people.column(name).take(customer) for name in columns},
        )

    def _strata(self, rows: Chosen) -> pa.Array:
        """Names of the winners' strata, null where their campaign has none."""
        parts = [pa.array([], pa.string())]
        for touch, mine in self._pairs.by_touch(rows):
            column = self._pairs.asked.touches[touch].campaign.strata
            if column is None:
                parts.append(pa.nulls(len(mine), pa.string()))
            else:
                whose = pa.array(self._pairs.customer[mine])
                parts.append(texts(self._setting.people, column).take(whose))
        return pa.concat_arrays(parts)

    def _judge(self, rows: Chosen, winners: Chosen | None) -> None:
        """Hold those of the candidates that a rule refuses, now that the winners have won."""
        pairs = self._pairs
        if winners is not None:
            self._begin(winners)
            drawn = self._arms.control(*self._units(winners), pairs.planned[winners])
            self._count(winners[~is_control(drawn)])
            rivalling = np.zeros(self._setting.customers, np.bool_)
            rivalling[pairs.customer[rows]] = True  # nobody else is asked of again
            self._contacts = self._contacts.where(rivalling[self._contacts.customer])
        self._rulebook.hold(pairs, rows, self._contacts, self._begun, is_first=winners is None)

    def _begin(self, rows: Chosen) -> None:
        """From now on the chains that these begin are begun; also in control one is in a chain."""
        pairs = self._pairs
        if pairs.begins is not None:
            begun = rows[pairs.begins[rows]]
            names = pa.array([touch.name for touch in pairs.asked.touches], pa.string())
            name = names.take(pa.array(pairs.touch[begun]))
            self._begun = (
                np.concatenate([self._begun[0], pairs.customer[begun]]),
                pa.concat_arrays([self._begun[1], name]),
            )

    def _count(self, rows: Chosen) -> None:
        """From now on these are contacts."""
        pairs, touches = self._pairs, self._pairs.asked.touches
        uncounted = self._setting.policy.uncounted
        counted = np.array([t.campaign.category not in uncounted for t in touches], np.bool_)
        mine = rows[counted[pairs.touch[rows]]]
        kind = self._kind[pairs.touch[mine], pairs.channel[mine]]
        self._contacts = self._contacts.plus(pairs.customer[mine], pairs.planned[mine], kind)

    def _with_slot(self, rivals: Chosen, place: Wholes, slots: Slots) -> tuple[Chosen, Wholes]:
        """The rivals that have a slot, and its place; the others are held."""
        pairs = self._pairs
        is_late = slots.is_full(place)
        late = rivals[is_late]
        if len(late):
            taken = slots.used[place[is_late]]
            used, which = numbered(taken, int(taken.max()) + 1)
            texts_ = [f'{{"max":{slots.per_day},"used":{count}}}' for count in used]
            pairs.rule[late] = self._names.number(Rule.DAY_SLOT)
            pairs.counters.place[late] = pairs.counters.put(texts_) + which
        return rivals[~is_late], place[~is_late]

    def _units(self, rows: Chosen) -> tuple[npt.NDArray[np.int16], pa.Array]:
        units = self._pairs.asked.units.take(pa.array(self._pairs.customer[rows]))
        return self._pairs.touch[rows], units

    def _kinds(self) -> Indices:
        """Numbers of the kinds, by touch and channel (position in CHANNELS)."""
        touches = self._pairs.asked.touches
        kinds = np.full((len(touches), len(CHANNELS)), -1, np.int32)
        for place, touch in enumerate(touches):
            for channel in touch.channels:
                kind = Kind(touch.name, channel, touch.campaign.category)
                kinds[place, CHANNELS.index(channel)] = self._setting.kinds.number(kind)
        return kinds
