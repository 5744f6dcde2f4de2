"""The page of a search: its answers in groups, the nearest first; or at once the subject whose whole key was typed."""

from __future__ import annotations

from collections.abc import Iterator

from flask import g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from trialcrf.core import search
from trialcrf.core.access import VERBS
from trialcrf.core.glossary import TERMS
from trialcrf.core.search import Sought, fits, folded, parts
from trialcrf.core.wording import N_, Sayable
from trialcrf.store import accounts
from trialcrf.store.definitions import Published
from trialcrf.store.transaction import Transaction
from trialcrf.web import guard, navigation
from trialcrf.web.finding import Group, Hit, blueprint, group, in_study, queries, stay_in, studies_of_person
from trialcrf.web.finding.recent import recent
from trialcrf.web.finding.subjects import EXACT, by_key, forms_of, hit_of
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page


@page(blueprint, "/find", SELF)
def shown() -> str | Response:
    """What is found for `q` in every study of the person; `study` is the one whose page they come from, and stays around the answers.

    It asks for no verb of its own: whatever it tells is asked for by the verbs of the page that tells the same.
    """
    sought = search.read(request.args.get("q", ""))
    groups: list[Group] = []
    exact: list[Hit] = []
    with guard.read() as tx:
        mine = studies_of_person(tx)
        for published in mine:
            with in_study(published) as study:
                title = study.title if len(mine) > 1 else ""
                if sought.words:
                    found, whole = _of_study(tx, published, sought, title)
                    groups, exact = groups + found, exact + whole
                else:
                    groups += group("recent", N_("Where you recorded something last"), recent(tx, study), title)
        groups += group("accounts", N_("People who work here"), _people(tx, sought))
        stay_in(mine, request.args.get("study", ""))
    if len(exact) == 1:
        return redirect(exact[0].url, 303)
    groups += group("words", N_("Words"), list(_words(sought)))
    groups += group("pages", N_("Pages"), list(_pages(sought)))
    return render_template("find/shown.html", shell=shell(), sought=sought, groups=groups)


def _of_study(tx: Transaction, published: Published, sought: Sought, title: Sayable | str) -> tuple[list[Group], list[Hit]]:
    """The answers of a study, and the subject whose whole key was typed, and nothing else."""
    study = published.study
    near, rest = by_key(tx, study, sought)
    people = [which for _, which in near if not study.is_product(which.subject_type)]
    batches = [which for _, which in near if study.is_product(which.subject_type)]
    exact = [hit_of(study, which) for away, which in near if away == EXACT and not rest]
    which = near[0][1] if near and near[0][0] == EXACT else None
    # Part of a subject's key, letters and digits, asks for the subject: no text is searched for it.
    in_key = bool(near) and not rest and any(mark.isalpha() for mark in sought.text) and any(mark.isdigit() for mark in sought.text)
    words = rest if which else () if in_key else sought.words
    found = group("subjects", N_("Subjects"), [hit_of(study, one) for one in people], title)
    found += group("batches", N_("Batches of cells"), [hit_of(study, one) for one in batches], title)
    found += group("forms", N_("Visits and forms"), forms_of(tx, near, rest) if near and rest else [], title)
    found += group("queries", N_("Queries"), queries.found(tx, study, sought.number, words, which), title)
    return found, exact


def _people(tx: Transaction, sought: Sought) -> list[Hit]:
    """Accounts by name or user name, for who sees the list of them."""
    if not sought.words or not any(grant.role in VERBS["user.administer"] for grant in g.session.actor.grants):
        return []
    asked, found = parts(sought.words), []
    for one in accounts.all_of(tx):
        away = fits(asked, parts((one.username, one.name, one.organisation))) if asked else None
        if away is not None:
            found.append((away, Hit(one.name or one.username, url_for("admin.person", account=one.id), (one.username, one.organisation))))
    return [hit for _, hit in sorted(found, key=lambda pair: pair[0])]


def _words(sought: Sought) -> Iterator[Hit]:
    """Words of the program by their names in the reader's language."""
    asked = parts(sought.words)
    for term in TERMS.values() if asked else ():
        if fits(asked, parts((g.language.say(term.name),))) is not None:
            yield Hit(term.name, url_for("glossary.shown", _anchor=term.code), (term.means,))


def _pages(sought: Sought) -> Iterator[Hit]:
    """The ways onward that bear these words: who knows what a page is called need not look for it."""
    asked = parts(sought.words)
    for links in navigation.shown(counted=False) if asked else ():
        for link in links.links:
            if fits(asked, parts((g.language.say(link.label), folded(link.label.msgid)))) is not None:
                yield Hit(link.label, link.url, (links.label,) if links.label else ())
