"""Which messages of a day bring a promo code, and what planning has to know to issue it."""

from collections.abc import Iterable

from antiphon.campaigns.touches import Touch
from antiphon.ledger import Issuing
from antiphon.message.codes import sample
from antiphon.message.templates import Templates
from antiphon.project import Project
from antiphon.steps.composing import used_by


def overdrawn(project: Project, run_id: str) -> list[str]:
    """For the audit: campaigns for which the run issued codes, and that have more out than their
    offer's budget allows. Asked of the ledger itself, whatever was decided."""
    codes = project.ledger.codes
    issuing = codes.issued_by(run_id)
    issued = codes.issued(list(issuing))
    found = []
    for name in sorted(issuing):
        campaign = project.configuration.campaigns.get(name)
        budget = campaign.offer.budget if campaign and campaign.offer else None
        most = budget.codes if budget else None
        if most is not None and issued.get(name, 0) > most:
            found.append(f"campaign {name} has {issued[name]:,} codes out, and may have {most:,}")
    return found


def issuing_of(project: Project, templates: Templates, touches: Iterable[Touch]) -> Issuing | None:
    """What the messages of these touches promise; None where none prints a code."""
    unique, shared = {}, set()
    for touch in touches:
        offer, place = touch.campaign.offer, (touch.name, touch.step)
        if offer is None or offer.reminds or "code" not in used_by(templates, touch, "offer"):
            continue
        if offer.is_unique:
            unique[place] = offer.prefix or ""
        else:
            shared.add(place)
    if not unique and not shared:
        return None
    zone = project.configuration.settings.business.timezone
    samples = {place: sample(prefix) for place, prefix in unique.items()}
    key = project.code_key if unique else ""
    return Issuing(key, zone, unique, samples, frozenset(shared))
