"""The guides: what each role does here, step by step, with pictures of the pages; a document for each role in each language."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from flask import Blueprint, abort, g, render_template, url_for

from trialcrf.core.access import ROLES, VERBS
from trialcrf.core.wording import N_, Message
from trialcrf.external.language import Language
from trialcrf.web import guard
from trialcrf.web.finding import stay_in, studies_of_person
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page
from trialcrf.web.page import Crumb

blueprint = Blueprint("guides", __name__)

FOLDER = Path(__file__).parent / "static" / "guides"
"""Where the pictures lie: a folder for each language, and the sizes of all of them. `make guides` draws them."""

TYPING = frozenset().union(*(VERBS[verb] for verb in ("form.enter", "donor.enter", "cell.enter")))
"""The roles that fill in forms: what becomes of words that are not saved concerns them."""

_PLACE = re.compile(r"%\(\w+\)s")


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a picture lies under `static`, and its size on the page in CSS pixels, which a browser needs before it has the picture."""

    file: str
    width: int
    height: int


@dataclass(slots=True)
class Guide:
    """What the document of a role is drawn with, and what it told of itself while it was: its chapters, in their order."""

    role: str
    language: Language
    chapters: list[tuple[str, str]] = field(default_factory=list)

    @property
    def documents(self) -> tuple[str, str]:
        """The templates that a guide is made of: what the role does, and what everybody does."""
        return f"guides/{self.language.tag}/{self.role}.html", f"guides/{self.language.tag}/everybody.html"

    @property
    def types(self) -> bool:
        return self.role in TYPING

    def chapter(self, code: str, title: str) -> None:
        self.chapters.append((code, title))

    def word(self, msgid: str, plural: str = "") -> str:
        """A text of a page as the page writes it: it comes from the page's own message, so that the two cannot differ."""
        said = self.language.ngettext(msgid, plural, 2) if plural else self.language.gettext(msgid)
        return _PLACE.sub("…", said)

    def picture(self, name: str) -> Picture:
        tag = self.language.tag
        return Picture(f"guides/{tag}/{name}.webp", *_sizes().get(name, {}).get(tag, (0, 0)))


@cache
def _sizes() -> Mapping[str, Mapping[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = json.loads((FOLDER / "sizes.json").read_text(encoding="utf-8"))
    return found


def own_roles() -> list[str]:
    held = {grant.role for grant in g.session.actor.grants}
    return [role for role in ROLES if role in held]


@page(blueprint, "/guides", SELF)
def listed() -> str:
    """One's own guides with their chapters, then the others: whoever helps a colleague reads what that one reads."""
    mine = own_roles()
    _stay()
    return render_template(
        "guides/listed.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("Home")), url_for("account.home"))],
        mine=[(Message(ROLES[role]), Guide(role, g.language)) for role in mine],
        others=[(Message(ROLES[role]), role) for role in ROLES if role not in mine],
    )


@page(blueprint, "/guides/<role>", SELF)
def shown(role: str) -> str:
    if role not in ROLES:
        abort(404)
    _stay()
    return render_template(
        "guides/shown.html",
        shell=shell(),
        crumbs=[Crumb(Message(N_("Guides")), url_for("guides.listed"))],
        guide=Guide(role, g.language),
        role=Message(ROLES[role]),
    )


def _stay() -> None:
    with guard.read() as tx:
        stay_in(studies_of_person(tx))
