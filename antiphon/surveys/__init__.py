"""Surveys: what people answer on our pages, what follows from it, and tasks for staff.

An answer that was sent by the page's button counts. A tap on a score in the message alone counts
where it was the only one: programs that test the links of a message tap all of them.
"""

from antiphon.surveys.answering import answer, tap
from antiphon.surveys.asked import Asked, Closed, asked
from antiphon.surveys.settling import settle

__all__ = ["Asked", "Closed", "answer", "asked", "settle", "tap"]
