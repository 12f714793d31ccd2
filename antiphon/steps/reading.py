"""Rendering a message of the ledger by the templates it was planned with: today or in ten years."""

from functools import lru_cache
from typing import Any

from antiphon.ledger import Message
from antiphon.message.content import Email, Personal, Sms
from antiphon.message.links import Links
from antiphon.message.templates import TemplateFault, Templates
from antiphon.message.values import unpack
from antiphon.project import Project
from antiphon.steps.composing import signer_of


@lru_cache(maxsize=64)
def _templates_of(bundle: str) -> Templates:
    """Audit, proof and dispatch of a run print by the same templates: compiled once for them."""
    return Templates.from_bundle(bundle)


class Reader:
    """Renders messages of one project; each set of templates is compiled once."""

    def __init__(self, project: Project) -> None:
        self._contents = project.ledger.contents
        self._signer = signer_of(project)
        self._templates: dict[str, Templates] = {}

    def content(self, message: Message) -> Email | Sms:
        """What the person is sent, or was; raises MessageHeld and TemplateFault.

        Links are signed with the newest key, so a message of old may show another token.
        """
        templates, arm, language, values, links = self._given(message)
        return templates.render(templates.message, arm, language, message.channel, values, links)

    def targets(self, message: Message) -> dict[str, str]:
        """Where its links lead, by `links.target_name`; raises as `content` does.

        Empty of a message whose links are no redirects of our own.
        """
        templates, arm, language, values, _ = self._given(message)
        links = self._signer.targets(message.message_id)
        templates.render(templates.message, arm, language, message.channel, values, links)
        return links.targets

    def shared(self, message: Message) -> Email | Personal | Sms:
        """As `content`; an e-mail that has a skeleton with others in common comes as Personal."""
        if message.channel != "email":
            return self.content(message)
        templates, arm, language, values, links = self._given(message)
        return templates.personal(templates.message, arm, language, values, links)

    def _given(self, message: Message) -> tuple[Templates, str, str, dict[str, Any], Links]:
        if message.template_hash is None:
            raise TemplateFault(f"message {message.message_id} was planned without templates")
        if message.template_hash not in self._templates:
            bundle = self._contents.get(message.template_hash).decode()
            self._templates[message.template_hash] = _templates_of(bundle)
        templates = self._templates[message.template_hash]
        values, links = unpack(message.values_json), self._signer.links(message.message_id)
        return templates, message.arm, message.language or "", values, links
