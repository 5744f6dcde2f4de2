"""Calendar feeds: making and revoking a secret address, and writing what it gives to whoever holds it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from trialcrf.actions import Impossible, NotAllowed
from trialcrf.actions.sign_in import hash_of
from trialcrf.core.access import Actor, may, sites_of
from trialcrf.core.definition.model import Study
from trialcrf.core.schedule import STATES, State
from trialcrf.core.wording import N_, Message
from trialcrf.external import ical
from trialcrf.external.ical import Entry
from trialcrf.external.language import Language
from trialcrf.store import accounts, definitions, feeds, sites, visits
from trialcrf.store.feeds import Feed
from trialcrf.store.transaction import Transaction
from trialcrf.store.visits import Asked, Line

VERB = "subject.list"
"""What one must be allowed in the study, when the address is made and each time it is read."""

PAST, AHEAD = timedelta(days=400), timedelta(days=400)
MOST_ENTRIES = 1000
MOST_FEEDS = 10


@dataclass(frozen=True, slots=True)
class Opened:
    """A feed in force with what its owner may see at this moment. `keys`: whether subjects may be named by their key."""

    feed: Feed
    study: Study
    places: Sequence[sites.Site]
    language: str
    keys: bool


def make(tx: Transaction, actor: Actor, study: str, keys: bool) -> str:
    """A new secret address of the person for this study; returns its token, which is stored nowhere but as its hash.

    Raises NotAllowed where the person sees no subject of the study, Impossible where they have many addresses already.
    """
    if definitions.current(tx, study) is None or not may(actor, VERB, study):
        raise NotAllowed(f"{actor.username} may not {VERB} in {study}")
    if len(feeds.all_of(tx, actor.id)) >= MOST_FEEDS:
        raise Impossible(Message(N_("You have %(count)s addresses already: revoke one that you no longer use."), {"count": MOST_FEEDS}))
    token = secrets.token_urlsafe(32)
    made = feeds.create(tx, actor.id, study, hash_of(token), keys)
    accounts.note(tx, actor.id, "feed_make", f"calendar/{study}/{made}")
    return token


def revoke(tx: Transaction, account_id: int, feed_id: int) -> None:
    """End one of one's own addresses. Raises Impossible where it is none, or ended before."""
    if not feeds.revoke(tx, account_id, feed_id):
        raise Impossible(Message(N_("This address was revoked already.")))
    accounts.note(tx, account_id, "feed_revoke", f"calendar/{feed_id}")


def opened(tx: Transaction, token: str, keys_allowed: bool) -> Opened | None:
    """What this token opens: nothing where it is unknown or revoked, where the account is not active, or may no longer see subjects.

    `keys_allowed` False is an installation that lets no subject key leave it by a calendar.
    """
    feed = feeds.find(tx, hash_of(token))
    account = accounts.by_id(tx, feed.account_id) if feed else None
    if feed is None or account is None or not account.active:
        return None
    published, actor = definitions.everywhere(tx, feed.study), accounts.actor(tx, account)
    if published is None or not may(actor, VERB, feed.study):
        return None
    mine = sites_of(actor, VERB, feed.study)
    places = [place for place in sites.all_of(tx, feed.study) if mine is None or place.code in mine]
    return Opened(feed, published.study, places, account.language, feed.keys and keys_allowed)


def written(tx: Transaction, one: Opened, now: datetime) -> bytes:
    """The visits that wait, more than a year back and ahead, as a calendar file: a whole day each, no data but (perhaps) the key."""
    language, days = Language(one.language), [place.today(now) for place in one.places] or [now.date()]
    first, last = min(days) - PAST, max(days) + AHEAD
    asked = Asked(one.places, now, one.study.due_soon)
    lines = visits.between(tx, asked, first, last, MOST_ENTRIES + 1, held=False)
    entries = [_entry(one, language, line, now) for line in lines[:MOST_ENTRIES]]
    if len(lines) > MOST_ENTRIES:
        entries.append(_cut_off(one, language, entries[-1].on))
    about = N_("Planned visits; what is done or cancelled is not in it. The program itself says what is due: this is a copy.")
    return ical.calendar(one.study.protocol or one.study.oid, language.gettext(about), entries, now)


def _entry(one: Opened, language: Language, line: Line, now: datetime) -> Entry:
    visit = visits.on_day(one.study, line, now)
    assert visit.target is not None and visit.opens is not None and visit.closes is not None
    name, place = language.say(visit.event.label), language.say(Message(N_("site %(site)s"), {"site": line.subject.site.code}))
    said = [
        Message(N_("Window: %(opens)s to %(closes)s"), {"opens": visit.opens, "closes": visit.closes}),
        Message(N_("Last day that avoids a deviation: %(closes)s"), {"closes": visit.closes}),
        Message(N_("State on %(day)s: %(state)s"), {"day": line.subject.site.today(now), "state": Message(STATES[visit.state])}),
    ]
    return Entry(
        _uid(one.feed, f"{line.subject.id}|{line.event_oid}"),
        visit.closes if visit.state is State.OVERDUE else visit.target,
        f"{line.subject.key} · {name}" if one.keys else f"{name} · {place}",
        "\n".join(language.say(sentence) for sentence in said),
    )


def _cut_off(one: Opened, language: Language, on: date) -> Entry:
    said = Message(N_("More visits than this calendar holds (%(count)s): look in the program"), {"count": MOST_ENTRIES})
    return Entry(_uid(one.feed, "cut"), on, language.say(said), "")


def _uid(feed: Feed, what: str) -> str:
    """The same at each reading of this feed, and telling nothing: nobody without the address can make it of a subject's number."""
    return f"{hmac.new(feed.token_hash.encode(), what.encode(), hashlib.sha256).hexdigest()[:32]}@trialcrf"
