"""Until when a chosen message may leave, and until when it may be moved without breaking a rule.

A later moment shares a window with fewer earlier contacts, never with more. So a message may move
within its allowed hours, its day (of the business, and of the customer where a cap follows their
calendar) and its expiry, if its customer gets nothing after it and nothing else in this run. Where
a rule asks for something recent before the message, a ratio or a sequence, it stays.
"""

import numpy as np

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import CHANNELS
from antiphon.campaigns.touches import Touch
from antiphon.policy.candidates import Candidates, Chosen
from antiphon.policy.columns import FOREVER, Bools, Instants
from antiphon.policy.contacts import Contacts
from antiphon.policy.expanding import times_for
from antiphon.policy.leaving import Leaving
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.setting import Setting
from antiphon.policy.slots import day_starts


def movable_until(
    pairs: Candidates, winners: Chosen, contacts: Contacts, setting: Setting, leaving: Leaving
) -> Instants:
    """By winner (rising) the first moment to which it may not be moved; its planned moment where
    it may not move at all, or where no capacity by the hour could move it.

    `contacts`: those of history.
    """
    planned = pairs.planned[winners]
    until = planned.copy()
    hourly = [
        rule for rule in setting.in_force(setting.policy.capacity) if rule.per_hour is not None
    ]
    if not hourly or not len(winners):
        return until
    caps = setting.in_force(setting.policy.caps)
    is_local = any(isinstance(cap.per, Calendar) and cap.per != Calendar.EVER for cap in caps)
    starts = day_starts(setting.moment, int(planned.max()))
    may = _are_last(pairs, winners, contacts, setting)
    done = 0
    for touch, rows in pairs.by_touch(winners):
        of = pairs.asked.touches[touch]
        places = np.arange(done, done + len(rows))
        done += len(rows)
        for channel in of.channels:
            if _rests_on_what_was(setting, of, channel) or not any(
                rule.concerns(of.campaign, channel) for rule in hourly
            ):
                continue
            mine = places[may[places] & (pairs.channel[rows] == CHANNELS.index(channel))]
            customer, at = pairs.customer[winners[mine]], planned[mine]
            is_exempt = of.campaign.category in setting.policy.exempt
            rules = () if is_exempt else times_for(setting, of, channel)
            departures = leaving.under(rules)
            expires = setting.moment.planned_at + of.campaign.expires_after // MICROSECOND
            ends = [
                np.full(len(mine), expires),
                starts[np.searchsorted(starts, at, side="right")],
                departures.until_places[departures.place[customer]],
            ]
            if is_local:
                ends.append(departures.period(Calendar.DAY)[1][customer])
            until[mine] = np.maximum(np.minimum.reduce(ends), at)
    return until


def leaves_before(
    pairs: Candidates, winners: Chosen, setting: Setting, leaving: Leaving
) -> Instants:
    """By winner (rising) the end of the allowed time in which it is planned; FOREVER where no rule
    on time concerns it."""
    until = np.full(len(winners), FOREVER, np.int64)
    if not setting.policy.times:
        return until
    done = 0
    for touch, rows in pairs.by_touch(winners):
        of = pairs.asked.touches[touch]
        places = np.arange(done, done + len(rows))
        done += len(rows)
        if of.campaign.category in setting.policy.exempt:
            continue
        for channel in of.channels:
            mine = places[pairs.channel[rows] == CHANNELS.index(channel)]
            departures = leaving.under(times_for(setting, of, channel))
            place = departures.place[pairs.customer[winners[mine]]]
            until[mine] = departures.until_places[place]
    return until


def _are_last(pairs: Candidates, winners: Chosen, contacts: Contacts, setting: Setting) -> Bools:
    """Whether nothing is planned for the customer after the winner, nor anything else today."""
    customer, planned = pairs.customer[winners], pairs.planned[winners]
    latest = np.full(setting.customers, np.iinfo(np.int64).min)
    past = contacts.where(~contacts.is_new)
    latest[past.customer] = past.at  # in order: the last one stays
    alone: Bools = np.bincount(customer, minlength=setting.customers)[customer] == 1
    return alone & (latest[customer] <= planned)


def _rests_on_what_was(setting: Setting, touch: Touch, channel: str) -> bool:
    """Whether a rule asks that something lie not too long before the message."""
    policy, campaign = setting.policy, touch.campaign
    if campaign.category in policy.exempt:
        return False
    return any(
        rule.concerns(campaign, channel) and set(rule.of) & set(campaign.tags)
        for rule in setting.in_force(policy.ratios)
    ) or any(
        rule.concerns(campaign, channel) and rule.within is not None
        for rule in setting.in_force(policy.sequences)
    )
