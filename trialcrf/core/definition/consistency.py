"""What must hold across the files of a study: references, aliases, anchors, visits and safety settings that agree with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trialcrf.core.bodymap import GRADES, LAYOUT, SITES, site_of
from trialcrf.core.definition.cells_consistency import examine_cells
from trialcrf.core.definition.expressions import examine_expressions
from trialcrf.core.definition.model import Anchor, Check, DataType, EventType, FormDef, ItemDef, ItemGroupDef, Study, StudyEventDef
from trialcrf.core.definition.safety_consistency import examine_safety
from trialcrf.core.definition.source import Located, Places, Reading
from trialcrf.core.facts import UNDERSTOOD
from trialcrf.core.safety.event import FACTORS
from trialcrf.core.wording import N_

DATES = frozenset({DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME})
# Only what `core.facts` projects is ever found; a name that it does not know must not pass here.
_DATE_ALIASES = UNDERSTOOD & {
    "SVSTDAT",
    "RFICDAT",
    "RECONDAT",
    "RANDDT",
    "EXSTDAT",
    "EXENDAT",
    "PRSTDAT",
    "AESTDAT",
    "AEENDAT",
    "DSSTDAT",
    "DTHDAT",
}
_CLAIM_ALIASES = frozenset(
    ["AEBIOVIG", "SVOCCUR", "AESER", "AESDTH", "AESLIFE", "AESHOSP", "AESDISAB", "AESCONG", "AESMIE", "AESCAN", "AESOD", "DTHFL"]
)
_CODE_ALIASES = frozenset([*FACTORS, "AECGRADE", "AEREL", "ACTARM", "AEBODSYS", "AETOXGR", "AESEV", "AEOUT", "DSDECOD", "SREL", "SEX"])
_MEANT: Mapping[str, frozenset[DataType]] = {
    **dict.fromkeys(_DATE_ALIASES, DATES),
    **dict.fromkeys(_CLAIM_ALIASES, frozenset({DataType.BOOLEAN, DataType.CODELIST})),
    **dict.fromkeys(_CODE_ALIASES, frozenset({DataType.CODELIST})),
    "EXDOSE": frozenset({DataType.DECIMAL, DataType.INTEGER}),
    "RSUBJID": frozenset({DataType.REFERENCE}),
    **dict.fromkeys(("CTSRCDON", "CTSRCLOT"), frozenset({DataType.REFERENCE})),
    **dict.fromkeys(("CTLOT", "CTPOOLDI", "CTBAG", "CTMVBAG", "CTINCBAG", "CTCHKBAG", "CTINFBAG"), frozenset({DataType.TEXT})),
    **dict.fromkeys(("CTRELDEC", "CTMVKIND", "CTINCKND"), frozenset({DataType.CODELIST})),
    **dict.fromkeys(("CTFILDTC", "CTMVDTC", "CTCHKDTC"), frozenset({DataType.DATETIME})),
    "CTEXPDTC": frozenset({DataType.DATE}),
    "CTRECALL": frozenset({DataType.BOOLEAN}),
}
"""The types in which the program can read what it understands."""


def examine(study: Study, reading: Reading, places: Places, complete: bool) -> None:
    """Note every contradiction. `complete` is false where a file could not be read: then what is merely absent is not reported."""
    for form in study.forms:
        _examine_form(study, form, reading, places, complete)
    if any(key[0] == "event" for key in places):
        _examine_schedule(study, reading, places, complete)
    if study.safety is not None:
        examine_safety(study, reading, places, complete)
    if study.cells is not None:
        examine_cells(study, study.cells, reading, places, complete)


def _examine_form(study: Study, form: FormDef, reading: Reading, places: Places, complete: bool) -> None:
    seen: dict[str, str] = {}
    for group in form.groups:
        if group.layout != "list" and (said := _table_problem(group) or _body_map_problem(group)):
            reading.say(places["group", form.oid, group.oid, "layout"], said)
        for item in group.items:
            at = places["item", form.oid, item.oid, "alias"]
            for alias in item.aliases:
                if alias not in UNDERSTOOD:
                    continue
                if alias in seen and seen[alias] != item.oid:
                    said = N_("The items “%(first)s” and “%(second)s” of one form both have the alias %(alias)s.")
                    reading.say(at, said, first=seen[alias], second=item.oid, alias=alias)
                seen[alias] = item.oid
                if alias in _MEANT and item.type not in _MEANT[alias]:
                    types = ", ".join(sorted(kind.value for kind in _MEANT[alias]))
                    reading.say(at, N_("%(alias)s is understood in an item of type %(types)s only."), alias=alias, types=types)
                if alias == "BRTHDAT" and item.type is not DataType.PARTIAL_DATE:
                    # A full birth date is not allowed in a research file (CNIL MR-001; clinical reference, F.5).
                    # `core.values` refuses the day.
                    reading.say(at, N_("A birth date is a partial date: its day identifies a person and is not recorded."))
            if item.type is DataType.REFERENCE and item.refers_to:
                _examine_reference(study, item, reading, places["item", form.oid, item.oid, "refers_to"], complete)
    for check in form.checks:
        _examine_check_items(form, check, reading, places["check", form.oid, check.oid, "items"])
    examine_expressions(study, form, reading, places, complete)


def _table_problem(group: ItemGroupDef) -> str | None:
    if group.repeating:
        return N_("A table has one line an item: a repeating group cannot be drawn so.")
    lists = {item.codelist.oid if item.codelist else None for item in group.items}
    if any(item.type is not DataType.CODELIST for item in group.items) or len(lists) > 1:
        return N_("A table has the choices as columns: all its items share one codelist.")
    return None


def _body_map_problem(group: ItemGroupDef) -> str | None:
    if group.layout != LAYOUT:
        return None
    if any(tuple(code.code for code in item.codelist.items) != GRADES for item in group.items if item.codelist):
        return N_("A body map draws the grades 0, 1, 2 and 3: its codelist has these codes in this order.")
    if any(len(SITES.intersection(item.aliases)) != 1 for item in group.items):
        return N_("Each item of a body map has one site of the body as alias, MRSS_FACE for example.")
    if len({site_of(item) for item in group.items}) < len(group.items):
        return N_("Two items of a body map stand at the same site.")
    return None


def _examine_reference(study: Study, item: ItemDef, reading: Reading, at: Located, complete: bool) -> None:
    kind, _, target = item.refers_to.partition(":")
    known = study.subject_type if kind == "subject" else study.form if kind in ("form", "own") else None
    if known is None or not target:
        reading.say(
            at, N_("A reference names its kind and target: “subject:donor”, “form:BATCH” at the site, or “own:INFUSION” of the subject.")
        )
    elif target not in known and (complete or kind == "subject"):
        reading.say(at, N_("There is no “%(target)s” to refer to."), target=item.refers_to)


def _examine_check_items(form: FormDef, check: Check, reading: Reading, at: Located) -> None:
    for oid in check.items:
        if oid and oid not in form.items:
            reading.say(at, N_("The check “%(check)s” stands at “%(item)s”, which this form does not have."), check=check.oid, item=oid)
    if len({group.oid for oid in check.items if oid in form.items and (group := form.items[oid][0]).repeating}) > 1:
        reading.say(at, N_("A check cannot stand in the rows of two groups at once."))


def _examine_schedule(study: Study, reading: Reading, places: Places, complete: bool) -> None:
    asked = {ref.form_oid for event in study.events for ref in event.forms}
    for form in study.forms:
        if form.oid not in asked:
            reading.say(places["form", form.oid], N_("No event asks the form “%(oid)s”: nobody could fill it in."), oid=form.oid)
    for event in study.events:
        _examine_event(study, event, reading, places, complete)
    for anchor in study.anchors:
        at = places["anchor", anchor.oid]
        if anchor.alias not in _DATE_ALIASES:
            known = ", ".join(sorted(_DATE_ALIASES))
            reading.say(
                at, N_("“%(alias)s” is no date that visits can be counted from; known: %(known)s."), alias=anchor.alias, known=known
            )
        if anchor.event:
            _examine_anchor_visit(study, anchor, reading, places)
    for kind in study.subject_types:
        at = places["subject_type", kind.oid]
        event_def, form_def = study.event.get(kind.event_oid), study.form.get(kind.form_oid)
        if event_def is None:
            reading.say(at, N_("There is no event “%(oid)s” to enrol in."), oid=kind.event_oid)
            continue
        if kind.oid not in event_def.subject_types:
            said = N_("The event “%(event)s” enrols the subject type “%(kind)s” but is not for it.")
            reading.say(at, said, event=kind.event_oid, kind=kind.oid)
        if kind.form_oid not in {ref.form_oid for ref in event_def.forms}:
            said = N_("The event “%(event)s” does not ask the form “%(form)s” that enrols.")
            reading.say(at, said, event=kind.event_oid, form=kind.form_oid)
        if event_def.repeating or (form_def is not None and form_def.repeating):
            reading.say(at, N_("A subject is enrolled once: neither event nor form may be repeating."))


def _examine_anchor_visit(study: Study, anchor: Anchor, reading: Reading, places: Places) -> None:
    at = places["anchor", anchor.oid, "event"]
    event = study.event.get(anchor.event)
    if event is None:
        reading.say(at, N_("There is no event “%(oid)s” that visits could be counted from."), oid=anchor.event)
        return
    asked = [study.form[ref.form_oid] for ref in event.forms if ref.form_oid in study.form]
    if not any(form.with_alias(anchor.alias) for form in asked):
        reading.say(at, N_("The event “%(oid)s” asks no %(alias)s that visits could be counted from."), oid=event.oid, alias=anchor.alias)
    if event.anchor == anchor.oid:
        reading.say(at, N_("The event “%(oid)s” cannot be counted from itself."), oid=event.oid)


def _examine_event(study: Study, event: StudyEventDef, reading: Reading, places: Places, complete: bool) -> None:
    at = places["event", event.oid]

    def at_key(*key: str) -> Located:
        return places.get(("event", event.oid, *key), at)

    for kind in event.subject_types:
        if kind not in study.subject_type:
            reading.say(at_key("subject_types"), N_("There is no subject type “%(oid)s”."), oid=kind)
    if not event.subject_types:
        reading.say(at_key("subject_types"), N_("The event “%(oid)s” is for nobody: name its subject types."), oid=event.oid)
    if not event.forms:
        reading.say(at_key("forms"), N_("The event “%(oid)s” asks no form."), oid=event.oid)
    if complete:
        for ref in event.forms:
            if ref.form_oid and ref.form_oid not in study.form:
                reading.say(at_key("form", ref.form_oid), N_("There is no form “%(oid)s”."), oid=ref.form_oid)
    if event.type is not EventType.SCHEDULED:
        for key in ("anchor", "target", "window"):
            if ("event", event.oid, key) in places:
                reading.say(at_key(key), N_("Only a Scheduled event has “%(key)s”."), key=key)
    else:
        if event.repeating:
            reading.say(at_key("repeating"), N_("A Scheduled event takes place once: only the others may be repeating."))
        if (event.target is None) != (event.anchor == ""):
            reading.say(at_key("target" if event.target else "anchor"), N_("A target is counted from an anchor: give both or neither."))
        if event.target is None and ("event", event.oid, "window") in places:
            reading.say(at_key("window"), N_("A window needs a target."))
    _examine_event_dates(study, event, reading, places, complete)


def _examine_event_dates(study: Study, event: StudyEventDef, reading: Reading, places: Places, complete: bool) -> None:
    """The visit's date must be asked in the visit, and the anchor's day somewhere for each kind of subject that the visit is for."""
    at = places["event", event.oid]
    if event.type is EventType.SCHEDULED or ("event", event.oid, "date_alias") in places:
        forms = [study.form[ref.form_oid] for ref in event.forms if ref.form_oid in study.form]
        dated = [item for form in forms if (item := form.with_alias(event.date_alias)) is not None]
        where = places.get(("event", event.oid, "date_alias"), at)
        if event.date_alias not in _DATE_ALIASES:
            reading.say(where, N_("“%(alias)s” is no date that the program looks for."), alias=event.date_alias)
        elif not dated and complete:
            said = N_("No form of the event “%(oid)s” asks its date (%(alias)s): it could never be done.")
            reading.say(where, said, oid=event.oid, alias=event.date_alias)
    if not event.anchor:
        return
    where = places.get(("event", event.oid, "anchor"), at)
    anchor = next((anchor for anchor in study.anchors if anchor.oid == event.anchor), None)
    if anchor is None:
        reading.say(where, N_("There is no anchor “%(oid)s”."), oid=event.anchor)
        return
    for kind in event.subject_types:
        if complete and kind in study.subject_type and not any(form.with_alias(anchor.alias) for form in _forms_for(study, kind)):
            said = N_("The anchor “%(anchor)s” needs %(alias)s, which no form asks of the subject type “%(kind)s”: no date would come.")
            reading.say(where, said, anchor=anchor.oid, alias=anchor.alias, kind=kind)


def _forms_for(study: Study, kind: str) -> Iterator[FormDef]:
    for event in study.events_for(kind):
        yield from (study.form[ref.form_oid] for ref in event.forms if ref.form_oid in study.form)
