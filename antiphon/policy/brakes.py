"""Brakes: nothing more is sent where too many answered badly."""

from dataclasses import dataclass

from antiphon.campaigns.rules import Brake


@dataclass(frozen=True, slots=True)
class BrakeReading:
    """Contacts in a brake's scope in its time up to the run, and the bad responses to them."""

    contacts: int
    responses: int

    @property
    def share(self) -> float:
        """Responses per contact, 0 without any contact."""
        return self.responses / self.contacts if self.contacts else 0.0


def stops(brake: Brake, reading: BrakeReading) -> bool:
    """Whether nothing more may be sent."""
    return _is_judged(brake, reading) and reading.share >= brake.stop


def warns(brake: Brake, reading: BrakeReading) -> bool:
    """Whether a run warns."""
    return _is_judged(brake, reading) and reading.share >= brake.warn


def _is_judged(brake: Brake, reading: BrakeReading) -> bool:
    return reading.contacts >= max(brake.at_least, 1)
