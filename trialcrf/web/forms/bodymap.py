"""The body map of a score: the figure's shapes, what each site held at the occasion before, and the totals beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trialcrf.core.bodymap import ASSESSOR, GRADES, site_of, tally
from trialcrf.core.definition.model import FormDef, ItemGroupDef
from trialcrf.core.document import Answer, Document
from trialcrf.core.wording import N_, Message
from trialcrf.web.forms.drawn import BodyMap, FieldView, Region
from trialcrf.web.forms.earlier import Earlier

WIDTH = 340
"""The figure is drawn from 0 to WIDTH; what stands at x on the viewer's left stands at WIDTH - x on the right."""
ABSENT = "x"
"""What the figure shows in place of a grade where the answer is a missing code."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of the figure: its outline, where its grade is written, and where the grade of the occasion before."""

    path: str
    at: tuple[int, int]
    ghost: tuple[int, int]


# The participant is seen from the front, so the participant's right is on the viewer's left: sites on the right are drawn there, those
# on the left are their mirror image. Our own drawing.
_SHAPES: Mapping[str, Shape] = {
    "FACE": Shape(
        "M170 12C193 12 205 31 204 56C203 83 189 104 170 104C151 104 137 83 136 56C135 31 147 12 170 12Z",
        (170, 62),
        (222, 62),
    ),
    "CHEST": Shape(
        "M127 133C141 127 156 126 170 126C184 126 199 127 213 133C220 152 221 180 214 213C199 219 141 219 126 213C119 180 120 152 127 133Z",
        (170, 174),
        (202, 174),
    ),
    "ABDOMEN": Shape(
        "M126 219C140 225 200 225 214 219C212 246 214 272 221 297C206 307 134 307 119 297C126 272 128 246 126 219Z",
        (170, 264),
        (202, 264),
    ),
    "UPPERARM": Shape(
        "M121 136C106 138 97 149 93 167C88 191 80 212 73 231C80 239 94 243 103 241C111 220 117 196 120 171C120 156 120 147 121 136Z",
        (99, 192),
        (71, 178),
    ),
    "FOREARM": Shape(
        "M71 237C79 245 92 249 101 247C98 271 87 297 75 321C68 323 58 320 53 315C55 290 61 262 71 237Z",
        (77, 283),
        (45, 271),
    ),
    "HAND": Shape(
        "M51 321C57 327 66 330 73 328C75 342 71 357 63 369C52 371 38 366 31 358C34 342 42 331 51 321Z",
        (53, 347),
        (19, 336),
    ),
    "FINGERS": Shape(
        "M29 364C37 371 51 377 62 375C62 389 59 403 54 415C52 420 46 419 46 414C45 420 38 421 36 415C34 419 28 418 27 412"
        "C25 415 19 413 19 407C21 392 24 378 29 364ZM76 332C85 339 91 352 90 365C89 372 81 372 80 366C79 358 77 351 73 347"
        "C75 342 76 337 76 332Z",
        (41, 395),
        (4, 392),
    ),
    "THIGH": Shape(
        "M118 304C132 312 150 314 167 313C168 358 163 405 156 440C146 446 130 446 120 440C111 400 108 350 118 304Z",
        (139, 374),
        (96, 410),
    ),
    "LEG": Shape(
        "M120 447C131 453 147 453 156 447C161 476 157 512 150 550C143 554 132 554 126 550C118 516 113 481 120 447Z",
        (138, 494),
        (98, 494),
    ),
    "FOOT": Shape(
        "M126 557C133 560 143 560 150 557C154 571 157 582 153 594C147 606 113 606 105 596C103 587 119 575 126 557Z",
        (131, 586),
        (86, 586),
    ),
}
OUTLINE = (
    "M152 96L152 120C138 124 112 126 100 140L240 140C228 126 202 124 188 120L188 96Z"
    "M130 200L210 200L214 312L126 312ZM128 60a6 11 0 1 0 12 0a6 11 0 1 0-12 0M200 60a6 11 0 1 0 12 0a6 11 0 1 0-12 0"
    "M75 239a12 12 0 1 0 24 0a12 12 0 1 0-24 0M241 239a12 12 0 1 0 24 0a12 12 0 1 0-24 0"
    "M56 322a8 8 0 1 0 16 0a8 8 0 1 0-16 0M268 322a8 8 0 1 0 16 0a8 8 0 1 0-16 0"
    "M124 444a14 12 0 1 0 28 0a14 12 0 1 0-28 0M188 444a14 12 0 1 0 28 0a14 12 0 1 0-28 0"
    "M129 554a9 9 0 1 0 18 0a9 9 0 1 0-18 0M193 554a9 9 0 1 0 18 0a9 9 0 1 0-18 0"
)
"""Neck, ears, waist, elbows, wrists, knees and ankles: parts that no site has, so that the figure is one body."""


def body_map(
    form: FormDef, group: ItemGroupDef, fields: Sequence[FieldView], document: Document, earlier: Earlier | None, editable: bool
) -> BodyMap:
    """The figure for the fields of a group. Where the form is only read, the regions carry the recorded grades themselves."""
    sites = {item.oid: site_of(item) for item in group.items}
    return BodyMap(
        regions=tuple(_region(sites[field.place.item], field, document, earlier, editable) for field in fields),
        outline=OUTLINE,
        grades=tuple((code.code, code.label) for code in codes.items) if (codes := group.items[0].codelist) else (),
        tally=tally(group, document),
        earlier=tally(group, earlier.document) if earlier else None,
        earlier_event=earlier.event if earlier else "",
        earlier_day=earlier.day if earlier else None,
        assessor=_assessors(form, document, earlier),
    )


def _region(site: str, field: FieldView, document: Document, earlier: Earlier | None, editable: bool) -> Region:
    part, _, side = site.partition("_")
    shape = _SHAPES[part]
    left = side == "L"
    return Region(
        site=site,
        path=shape.path,
        mirrored=left,
        at=_mirror(shape.at) if left else shape.at,
        ghost=_mirror(shape.ghost) if left else shape.ghost,
        field=field,
        grade="" if editable else _grade(document.at(field.place)),
        before=_grade(earlier.document.at(field.place)) if earlier else "",
    )


def _mirror(point: tuple[int, int]) -> tuple[int, int]:
    return WIDTH - point[0], point[1]


def _grade(answer: Answer | None) -> str:
    if answer is None:
        return ""
    return ABSENT if answer.missing else answer.text if answer.text in GRADES else ""


def _assessors(form: FormDef, document: Document, earlier: Earlier | None) -> Message | None:
    """That someone else assessed than on the occasion before: scores of two assessors differ without the skin having changed."""
    item = form.with_alias(ASSESSOR)
    then = earlier.document.items.get(item.oid) if item and earlier else None
    now = document.items.get(item.oid) if item else None
    if now is None or then is None or not (now.text and then.text) or now.text.casefold() == then.text.casefold():
        return None
    return Message(N_("Another assessor than on the occasion before: %(now)s, before %(then)s."), {"now": now.text, "then": then.text})
