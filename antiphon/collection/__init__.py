"""What comes back: read, matched with what was sent, its consequences drawn, kept on record.

One gate for all of it, whatever brings it (webhooks, pages, tills, polling, surveys): `record`.
"""

from collections import Counter
from collections.abc import Sequence

from antiphon.collection.matching import with_messages
from antiphon.ledger import Response
from antiphon.project import Project

__all__ = ["record"]


def record(project: Project, responses: Sequence[Response]) -> Counter[str]:
    """Draws the consequences, then keeps what is new; how many responses by kind, and what
    followed from them.

    Told twice, a response changes nothing the second time.
    """
    if not responses:
        return Counter()
    known = with_messages(project, responses)
    return project.ledger.responses.insert(known)
