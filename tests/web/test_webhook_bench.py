"""The bench of webhooks posts what SendGrid posts, and everything it posts is read."""

from pathlib import Path

import orjson

from bench import webhooks


def test_posts_are_of_the_size_that_sendgrid_sends() -> None:
    bodies = list(webhooks.posts(4_000))
    assert len(bodies) > 1
    assert all(700_000 < len(body) <= webhooks.POST_BYTES + 10 for body in bodies[:-1])
    assert sum(len(orjson.loads(body)) for body in bodies) == 4_000


def test_what_is_posted_is_kept_and_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    reached = webhooks.measure(tmp_path, url, "sqlite", 400)
    assert reached.responses == 300  # what was delivered is a state of the message, no response
    assert reached.into > 0
    assert reached.read > 0
    assert [one.aim for one in webhooks.targets([reached])] == [
        "200,000 events/s into the inbox, sqlite",
        "30,000 events/s read into responses, sqlite",
    ]
    assert "400" in webhooks.table([reached])[-1]
