"""The words of the program: a page of all of them, to which the words of each page lead."""

from __future__ import annotations

from flask import Blueprint, render_template

from trialcrf.core.glossary import TERMS
from trialcrf.web import guard
from trialcrf.web.finding import stay_in, studies_of_person
from trialcrf.web.frame import shell
from trialcrf.web.guard import SELF, page

blueprint = Blueprint("glossary", __name__)


@page(blueprint, "/glossary", SELF)
def shown() -> str:
    with guard.read() as tx:
        stay_in(studies_of_person(tx))
    return render_template("account/glossary.html", shell=shell(), terms=TERMS.values())
