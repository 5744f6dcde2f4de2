"""Finding: by a few words whatever the person may read, and where they recorded something last. Here is what is shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Blueprint, g

from trialcrf.core.access import sites_of
from trialcrf.core.definition.model import Study
from trialcrf.core.wording import Message, Sayable
from trialcrf.store import definitions
from trialcrf.store.definitions import Published
from trialcrf.store.subjects import Known
from trialcrf.store.transaction import Transaction

blueprint = Blueprint("find", __name__)

MOST = 12
"""Answers of a kind that are shown. How many more there are is not counted, only that there are."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer: where it leads, what it is called, what else is said of it. `state` is a picture of `states.svg`."""

    label: Sayable | str
    url: str
    detail: tuple[Sayable | str, ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The answers of one kind, the nearest first; `study` is named where the person has several."""

    name: str
    label: Message
    hits: tuple[Hit, ...]
    more: bool = False
    study: Sayable | str = ""


def group(name: str, label: str, hits: list[Hit], study: Sayable | str = "") -> list[Group]:
    """The group of these answers; none of nothing."""
    return [Group(name, Message(label), tuple(hits[:MOST]), len(hits) > MOST, study)] if hits else []


def studies_of_person(tx: Transaction) -> list[Published]:
    """The studies in which whoever asks has a role, as lists over all sites read them."""
    held = {grant.study for grant in g.session.actor.grants}
    mine = [one.study.oid for one in definitions.all_of(tx) if held & {one.study.oid, "*"}]
    return [found for oid in mine if (found := definitions.everywhere(tx, oid)) is not None]


def stay_in(mine: Sequence[Published], wanted: str = "") -> None:
    """A page of no study keeps the frame of the study that is wanted, or of the person's only one: the ways onward stay where they were."""
    here = next((one for one in mine if one.study.oid == wanted), None)
    g.place.published = here or (mine[0] if len(mine) == 1 else None)


@contextmanager
def in_study(published: Published) -> Iterator[Study]:
    """As if the address named this study: what the pages ask of a person is then asked here by the same functions."""
    before, g.place.published = g.place.published, published
    try:
        yield published.study
    finally:
        g.place.published = before


def known_of(study: Study, products: bool | None = None) -> Known:
    """The kinds of subjects, each with the sites at which the person may know of them, as `guard.may_know` says it of one.

    `products`: those that are batches, or those that are people; None is both.
    """
    found = {}
    for kind in study.subject_types:
        is_product = study.is_product(kind.oid)
        at = sites_of(g.session.actor, "cell.read" if is_product else "subject.list", study.oid)
        if products in (None, is_product) and (at is None or at):
            found[kind.oid] = at
    return found
