"""What a rule's relative arguments refer to: the run's moment and the pulls before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from antiphon.entities import ColumnType
from antiphon.validation.arguments import DaysFromRun, Scalar, ShareOfPrevious, Value
from antiphon.validation.contract import Check


@dataclass(frozen=True, slots=True)
class Circumstances:
    """One run. `as_of`: aware; `business_day`: its day in the business time zone.

    `usual_rows`: entity → median row count of the previous comparable pulls, where there are any.
    """

    run_id: str
    as_of: datetime
    business_day: date
    usual_rows: Mapping[str, Decimal]

    def resolve(self, check: Check, entity: str) -> Check | None:
        """The check with absolute arguments; None where nothing to compare with exists yet."""
        usual = self.usual_rows.get(entity)
        arguments: dict[str, Value] = {}
        for key, value in check.arguments.items():
            if isinstance(value, DaysFromRun):
                arguments[key] = self._moment(value, check.types[0])
            elif isinstance(value, ShareOfPrevious):
                if usual is None:
                    return None
                arguments[key] = _rows(value.share * usual, key)
            else:
                arguments[key] = value
        return replace(check, arguments=arguments)

    def _moment(self, value: DaysFromRun, type_: ColumnType) -> Scalar:
        start = self.business_day if type_ is ColumnType.DAY else self.as_of
        return start + timedelta(days=value.days)


def _rows(share: Decimal, key: str) -> int:
    """The bound as a count: the least that reaches the share, or the greatest within it."""
    return math.ceil(share) if key == "min_value" else math.floor(share)
