"""Mails that an event sends at once. A mail never carries subject data: it says that there is something, and where to look."""

from __future__ import annotations

from collections.abc import Sequence

from trialcrf.core.definition.model import FormDef
from trialcrf.core.document import Document
from trialcrf.store import accounts, outbox, sites
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Subject
from trialcrf.store.transaction import Transaction

SERIOUS_ROLES = ("investigator", "sponsor")


def queue_serious(
    tx: Transaction, published: Published, subject: Subject, form_id: int, form: FormDef, before: Document, after: Document
) -> None:
    """An event (a form, or a row of one) that became serious is told to investigator and sponsor, once (ICH E2A; CTR article 41)."""
    item = form.with_alias("AESER")
    if item is None or form.with_alias("AETERM") is None:
        return
    for place, answer in after.places():
        row = after.row(place.group, place.row) if place.row else None
        was = before.at(place)
        if place.item != item.oid or answer.text != "Y" or (row is not None and row.error) or (was is not None and was.text == "Y"):
            continue
        params = {"study": published.study.oid, "site": subject.site.code, "form": form_id, "place": str(place)}
        for role in SERIOUS_ROLES:
            for one in accounts.holders(tx, [role], published.study.oid, subject.site.code):
                outbox.add(tx, f"serious|{published.study.oid}|{form_id}|{place.row}|{one.username}", "serious", one.id, params, role)


def queue_hold(tx: Transaction, study_oid: str, number: int) -> None:
    """A hold that the program raised is told to the sponsor and to the investigators of every site, each of them once."""
    for role in SERIOUS_ROLES[::-1]:
        for site in sites.all_of(tx, study_oid):
            for one in accounts.holders(tx, [role], study_oid, site.code):
                key = outbox.key("hold", study_oid, str(number), one.username)
                outbox.add(tx, key, "hold", one.id, {"study": study_oid, "number": number}, role)


def queue_misuse(tx: Transaction, address: str) -> None:
    """Too many wrong passwords from one address are told to every administrator: one mail an hour and address, whatever the burst."""
    hour = tx.at.strftime("%Y-%m-%dT%H")
    for one in accounts.holders(tx, ["administrator"], "*", ""):
        outbox.add(
            tx, outbox.key("misuse", "*", f"{address}|{hour}", one.username), "misuse", one.id, {"address": address, "hour": hour}, ""
        )


def queue_account(tx: Transaction, account_id: int, what: str, to: str = "") -> None:
    """What changed about how a person signs in is told to the person, and to the address `to` that was theirs before."""
    one = accounts.by_id(tx, account_id)
    assert one is not None
    key = outbox.key("account", one.username, what, tx.at.isoformat(), to)
    outbox.add(tx, key, "account", account_id, {"what": what, "to": to} if to else {"what": what})


def queue_room(tx: Transaction, megabytes: int) -> None:
    """That room runs out on the disk is told to every administrator: one mail a day."""
    day = tx.at.strftime("%Y-%m-%d")
    for one in accounts.holders(tx, ["administrator"], "*", ""):
        outbox.add(tx, outbox.key("room", "*", day, one.username), "room", one.id, {"size": megabytes, "day": day}, "")


def queue_refusals(tx: Transaction, account_id: int) -> None:
    """Many refusals of one account are told to every administrator: one mail an hour and account, whatever the burst."""
    hour = tx.at.strftime("%Y-%m-%dT%H")
    for one in accounts.holders(tx, ["administrator"], "*", ""):
        key = outbox.key("refusals", "*", f"{account_id}|{hour}", one.username)
        outbox.add(tx, key, "refusals", one.id, {"account": account_id, "hour": hour}, "")


def queue_alarm(tx: Transaction, job: str) -> None:
    """A job found something that must not be, a broken chain for instance: every administrator is told, once a day and job."""
    day = tx.at.date().isoformat()
    for one in accounts.holders(tx, ["administrator"], "*", ""):
        outbox.add(tx, outbox.key("alarm", "*", f"{job}|{day}", one.username), "alarm", one.id, {"job": job, "day": day}, "")


INCIDENT_ROLES = ("qualified_person", "sponsor", "investigator")


def queue_incident(tx: Transaction, study_oid: str, batch: Subject, site_codes: Sequence[str]) -> None:
    """A product incident is told to the Qualified Person, the sponsor and the investigators of the sites concerned, once for each save."""
    params = {"study": study_oid, "batch": batch.id}
    for role in INCIDENT_ROLES:
        for code in site_codes:
            for one in accounts.holders(tx, [role], study_oid, code):
                key = outbox.key("incident", study_oid, f"{batch.id}|{tx.at.isoformat()}", one.username)
                outbox.add(tx, key, "incident", one.id, params, role)
