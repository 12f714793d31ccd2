"""Proofs to ourselves: every variant and language, marked, counted nowhere."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from demo_project import demo_clock, make_project

from antiphon.errors import UserFilesError
from antiphon.guards.proofs import send_test
from antiphon.project import Project, open_project
from antiphon.providers import OutcomeKind
from antiphon.steps.daily import steps_of
from antiphon.steps.run import DAILY, running

CAMPAIGN = "winback-lost-loyal"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo company after its data was published; nothing was decided."""
    root = make_project(tmp_path_factory.mktemp("proofs") / "demo", customers=300)
    clock = demo_clock()
    with running(root, DAILY, None, dry_run=True, clock=clock) as run_id:
        for do in steps_of(dry_run=True)[:3]:
            do(root, run_id, clock)
    return open_project(root, clock)


def mails(project: Project) -> list[EmailMessage]:
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted((project.var / "outbox").rglob("*.eml"))
    ]


def test_every_variant_and_language_is_sent_marked_and_uncounted(project: Project) -> None:
    proofs = send_test(project, CAMPAIGN, ["Duty@Example.com", "+4915123456789"])
    assert {one.kind for one in proofs} == {OutcomeKind.ACCEPTED}
    campaign = project.configuration.campaigns[CAMPAIGN]
    languages = project.configuration.settings.business.languages
    assert len(campaign.variants) == 2
    assert len(languages) == 2
    each = {(one.of.arm, one.of.language, one.of.channel) for one in proofs}
    expected = {
        (arm, language, channel)
        for arm in campaign.variants
        for language in languages
        for channel in campaign.channels
    }
    assert each == expected
    sent = [mail for mail in mails(project) if mail["To"] == "duty@example.com"]
    assert len(sent) == 4
    assert {str(mail["Subject"]).partition("]")[0] for mail in sent} == {
        f"[Test {arm}, {language}" for arm in campaign.variants for language in languages
    }
    assert project.ledger.messages.counts() == []


def test_addresses_that_are_none_and_too_many_proofs_are_refused(project: Project) -> None:
    with pytest.raises(UserFilesError, match="number 2 is no valid address") as refused:
        send_test(project, CAMPAIGN, ["a@example.com", "ann@@example"])
    assert "ann@@" not in str(refused.value)
    with pytest.raises(UserFilesError, match="100 at most"):
        send_test(project, CAMPAIGN, [f"a{number}@example.com" for number in range(30)])
    with pytest.raises(UserFilesError, match="speaks by email only"):
        send_test(project, "cart-reminder", ["+4915123456789"])
