"""What comes back: read, matched with what was sent, its consequences drawn, kept on record.

One gate for all of it, whatever brings it (webhooks, pages, tills, polling, surveys): `record`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from antiphon.collection.consequences import CONSEQUENTIAL, draw
from antiphon.collection.matching import with_messages
from antiphon.ledger import Response
from antiphon.project import Project

__all__ = ["record"]


def record(
    project: Project, responses: Sequence[Response], addresses: Mapping[str, str] | None = None
) -> Counter[str]:
    """Draws the consequences, then keeps what is new: how many responses by kind; and how many
    addresses were `suppressed` and `lifted`, acts of consent `objected` and `agreed`, planned
    messages `withdrawn`.

    Told twice, a response changes nothing the second time. What follows from an opt_out or opt_in
    is told by its evidence: `by` (link, preferences, confirmation: an act of consent; keyword or
    list: the address itself), `channel` and `category` (* for all; absent: the message's), and
    `until` (an instant in ISO 8601: a pause). `addresses`: address key → the address, of people
    whom nobody could name.
    """
    if not responses:
        return Counter()
    known = with_messages(project, responses)
    told = Counter[str]()
    serious = {one.response_id: one for one in known if one.kind in CONSEQUENTIAL}
    if serious:
        old = project.ledger.responses.known(serious)
        new = [one for number, one in serious.items() if number not in old]
        if new:
            told += draw(project, new, addresses or {}, project.clock())
    return told + project.ledger.responses.insert(known)
