"""What webhooks and pages work with: the project as it is now, keys, counts, who a link is of."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import NamedTuple

from antiphon.errors import ConfigError, LedgerError, UserFilesError
from antiphon.files import ProjectFiles, read_files
from antiphon.ledger import Arrival, Message
from antiphon.message.links import BadToken, LinkSigner, Purpose
from antiphon.privacy.tombstones import PREFIX
from antiphon.project import Project, glance
from antiphon.steps.composing import signer_of
from antiphon.web.keys import WebhookKeys, keys_of
from antiphon.web.receiving import Counts, Receiver

_AFTER = ".,;:!?)>]}'\"*"  # what mail programs take for a part of the link before it
LOOKS_EVERY = 10.0  # seconds between two looks at the project's files
log = logging.getLogger("antiphon.web")


class BadLink(Exception):
    """A personal page cannot be shown. `why`: forged (or cut), unknown, expired, or forgotten."""

    def __init__(self, why: str, language: str | None = None) -> None:
        super().__init__(why)
        self.why, self.language = why, language


class Person(NamedTuple):
    """Whose link it is, by the message that carried it."""

    message: Message
    token: str

    @property
    def language(self) -> str | None:
        """Of the message."""
        return self.message.language


class Site:
    """One served project. Its files are read again when they change, without a restart.

    `ledger` errors (LedgerError) pass through: the application answers them with 503.
    """

    def __init__(self, project: Project, keys: WebhookKeys | None = None) -> None:
        self._project = project
        self._files = project.configuration.files
        self._looked_at = monotonic()
        self._looking = Lock()
        self._given = keys
        self._keys = keys or keys_of(project)
        self.signer: LinkSigner = signer_of(project)
        self.counts = Counts()
        self.receiver = Receiver(self._keep)

    @property
    def project(self) -> Project:
        """The project by its files of at most LOOKS_EVERY seconds ago; while they have problems,
        as it was before."""
        if monotonic() - self._looked_at > LOOKS_EVERY and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
        return self._project

    @property
    def keys(self) -> WebhookKeys:
        """What signatures are checked with, by the project as it is now: what Twilio signs begins
        with `links: base_url`."""
        _ = self.project
        return self._keys

    def _keep(self, arrivals: Sequence[Arrival]) -> None:
        self.project.ledger.inbox.put(arrivals)  # opens the ledger where it could not be before

    def now(self) -> datetime:
        """By the project's clock."""
        return self._project.clock()

    def _look(self) -> None:
        self._looked_at = monotonic()
        try:
            files = read_files(self._project.root)
            if files == self._files:
                return
            self._files = files
            project = _with_stores(self._project, files)
            keys, signer = self._given or keys_of(project), signer_of(project)
            self._project, self._keys, self.signer = project, keys, signer
        except ConfigError as error:
            log.warning(
                "the files changed and have %d problems: the old ones hold; run antiphon check",
                len(error.problems),
            )
        except (UserFilesError, OSError) as error:
            log.warning("the files cannot be read (%s): the old ones hold", type(error).__name__)

    def person(self, purpose: Purpose, token: str) -> Person:
        """Who follows a link; raises BadLink. One can always unsubscribe, and clicks lead on;
        other pages close when the message is older than `web: link_age`."""
        token = token.rstrip(_AFTER)
        try:
            message_id = self.signer.read(purpose, token)
        except BadToken:
            raise BadLink("forged") from None
        message = self.project.ledger.messages.get(message_id)
        if message is None:
            raise BadLink("unknown")
        if message.customer_id.startswith(PREFIX):  # of a person who was erased since
            raise BadLink("forgotten", message.language)
        if purpose not in (Purpose.UNSUBSCRIBE, Purpose.CLICK):
            age = self.now() - message.planned_at
            if age > self.project.configuration.settings.web.link_age:
                raise BadLink("expired", message.language)
        return Person(message, token)

    def beside(self, purpose: Purpose, message_id: str) -> str:
        """The address of another page of the same person, from a page of theirs: relative, so that
        any proxy may stand before us."""
        return f"../{purpose.value}/{self.signer.token(purpose, message_id)}"

    def failed(self, error: LedgerError) -> None:
        """The ledger could not be asked: said in the log, and counted."""
        log.warning("%s", error)
        self.counts.add("web: the ledger failed")

    def flush(self) -> None:
        """Write down what was counted."""
        day = self.now().date()
        self.counts.flush(lambda counts: self.project.ledger.tallies.add(day, counts))


def _with_stores(project: Project, files: ProjectFiles) -> Project:
    """The project by other files, with the stores it has open."""
    fresh = replace(project, configuration=glance(project.root, files, project.clock).configuration)
    for store in ("ledger", "lake"):
        if store in vars(project):
            vars(fresh)[store] = vars(project)[store]
    return fresh
