"""Which messages of a day bring a promo code, and what planning has to know to issue it."""

from collections.abc import Iterable

from antiphon.campaigns.touches import Touch
from antiphon.ledger import Issuing
from antiphon.message.codes import sample
from antiphon.message.templates import Templates
from antiphon.project import Project
from antiphon.steps.composing import used_by


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
