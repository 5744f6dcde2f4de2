"""The lines of a long list as they are drawn: most of the time of a page goes into them, and most of them say what they said before."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from flask import g, get_template_attribute
from markupsafe import Markup

from trialcrf.store import tallies
from trialcrf.store.sites import Site
from trialcrf.store.transaction import Transaction

K = TypeVar("K", bound=Hashable)


def drawn(
    tx: Transaction, template: str, lines: Mapping[K, Site], tell: Callable[[Sequence[K]], Mapping[K, object]], *also: Hashable
) -> dict[K, Markup]:
    """Each of these lines, with its site, by the macro `line` of the template; `tell` says what it is drawn from.

    A line is drawn anew once something was recorded at its site or in its study, and on another day. It may follow from nothing else but
    what its reader may do, their language, and `also`.
    """
    line = get_template_attribute(template, "line")

    def draw(some: Sequence[K]) -> dict[K, Markup]:
        return {key: line(told) for key, told in tell(some).items()}

    reader = (g.language.code, frozenset(g.session.actor.grants))
    return tallies.of_lines(tx, lines, (template, reader, *also), g.now, draw)
