"""Questions to the whole frame that need several scans, asked together with others of their kind.

An enquiry yields the SELECT expressions it wants to know (aggregates over the relation `frame`),
is sent their values, and returns what it found out. Enquiries of one layer share their scans.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Enquiry = Generator[list[str], Sequence[Any], T]
Scan = Callable[[list[str]], Sequence[Any]]


def answered(enquiries: Mapping[str, Enquiry[T]], scan: Scan) -> dict[str, T]:
    """What each enquiry returns, by name. `scan` answers all expressions of a round at once."""
    found: dict[str, T] = {}
    replies: dict[str, Sequence[Any] | None] = dict.fromkeys(enquiries)
    while replies:
        asked: dict[str, list[str]] = {}
        for name, reply in replies.items():
            try:
                enquiry = enquiries[name]
                asked[name] = next(enquiry) if reply is None else enquiry.send(reply)
            except StopIteration as end:
                found[name] = end.value
        expressions = [expression for wanted in asked.values() for expression in wanted]
        values = iter(scan(expressions) if expressions else ())
        replies = {name: [next(values) for _ in wanted] for name, wanted in asked.items()}
    return found
