"""The life of a synthetic subject in the trial: which visits took place and when, which forms were filled, and what every save decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from trialcrf.core.casebook import Casebook
from trialcrf.core.checks import Context
from trialcrf.core.definition.model import DataType, EventType, FormDef, ItemDef, ItemGroupDef, Study, StudyEventDef
from trialcrf.core.document import Answer, Document, FormKey, Place
from trialcrf.core.entry import Decision, Occasion, Refused, Submitted, decide
from trialcrf.core.facts import Fact, project
from trialcrf.core.safety import gate
from trialcrf.core.schedule import bounds, earliest_exact
from trialcrf.core.simulation import course
from trialcrf.core.simulation.answers import Asked, Filling, Scene
from trialcrf.core.simulation.chance import Chance
from trialcrf.core.simulation.mistakes import spoiled
from trialcrf.core.simulation.script import Case, Log, LogKind, Part, Rule, Script

MOST_TRIES = 8
_OF_THEIR_OWN = {DataType.DATE, DataType.PARTIAL_DATE, DataType.DATETIME, DataType.TIME, DataType.TEXT}
"""What a rule for a whole section is not meant for."""

LONGEST_AGO = 500
"""Days by which the subjects of later blocks may be longer in the trial than those of the first."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The place that a subject takes: its type, key and site."""

    subject_type: str
    key: str
    site: str


@dataclass(frozen=True, slots=True)
class Entered:
    """One form: what was typed, what the save decides, and what the program understands of it."""

    key: FormKey
    answers: Mapping[Place, Answer]
    decision: Decision
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """A subject with its forms in the order in which they were entered, the one that enrols first."""

    seat: Seat
    enrolled_on: date
    entered: tuple[Entered, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """What all stories of a trial have in common. `errors` is the share of forms that hold one mistake."""

    study: Study
    script: Script
    seed: int
    errors: float = 0.0


def case_of(telling: Telling, number: int) -> tuple[Case, int]:
    """The case of the nth subject (or pair), counted from 0, and how many days longer ago than told it began (none in the first block)."""
    script = telling.script
    block, slot = divmod(number, script.size)
    if not block:
        return script.block[slot], 0
    order = Chance(telling.seed, "block", block).shuffled(range(script.size))
    return script.block[order[slot]], Chance(telling.seed, "shift", number).whole(0, LONGEST_AGO)


def types_of(telling: Telling, number: int) -> list[str]:
    """The types of the subjects of the nth case; one that another refers to comes before it."""
    case, _ = case_of(telling, number)
    return [oid for oid in _in_order(telling.study) if oid in case]


def tell(telling: Telling, number: int, seats: Mapping[str, Seat], today: date, zone: tzinfo) -> tuple[Told, ...]:
    """The subjects of the nth case, seated by type. The same for every size of a trial, and for every place that it is told in."""
    case, longer = case_of(telling, number)
    partners = {f"subject:{oid}": seat.key for oid, seat in seats.items()}
    return tuple(_Life(telling, number, case[oid], longer, seats[oid], partners, today, zone).told() for oid in types_of(telling, number))


def _in_order(study: Study) -> list[str]:
    named = {
        item.refers_to.removeprefix("subject:")
        for form in study.forms
        for _, item in form.items.values()
        if item.refers_to.startswith("subject:")
    }
    return sorted(study.subject_type, key=lambda oid: (oid not in named, oid))


@dataclass(frozen=True, slots=True)
class _Stored:
    key: FormKey
    document: Document


class _Life:
    """One subject, as its forms are filled one after the other."""

    def __init__(
        self, telling: Telling, number: int, part: Part, longer: int, seat: Seat, partners: Mapping[str, str], today: date, zone: tzinfo
    ) -> None:
        self.telling, self.study, self.script, self.part = telling, telling.study, telling.script, part
        self.seat, self.partners, self.today, self.zone = seat, partners, today, zone
        self.first = longer == 0 and number < telling.script.size
        self.path = (telling.seed, number, seat.subject_type)
        self.kind = self.study.subject_type[seat.subject_type]
        self.days = self._anchor_days(longer)
        self.aliases = {anchor.alias: self.days[anchor.oid] for anchor in self.study.anchors if anchor.oid in self.days}
        self.ended = today - timedelta(days=part.ended + longer) if part.ending else None
        enrols = self.study.form[self.kind.form_oid]
        self.consent = next(
            (day for alias, day in self.aliases.items() if enrols.with_alias(alias)), min(self.days.values(), default=today)
        )
        self.person = course.person(self.chance("person"), seat.subject_type in self.script.ill, part.course)
        born = self.consent.year * 12 + self.consent.month - 1 - self.person.age_months
        self.facts = {"SEX": self.person.sex, "BRTHDAT": f"{born // 12:04d}-{born % 12 + 1:02d}"}
        self.measured: dict[date, Mapping[str, float]] = {}
        self.held: dict[str, list[_Stored]] = {}
        self.known: dict[tuple[str, str], list[str]] = {}  # by alias, and the event or everywhere ("")
        self.entered: list[Entered] = []

    def chance(self, *path: object) -> Chance:
        return Chance(*self.path, *path)

    def _anchor_days(self, longer: int) -> dict[str, date]:
        """The day of every anchor that has come; where the case names none, the subject went through all of them."""
        if self.part.days:
            found = {oid: self.today - timedelta(days=ago + longer) for oid, ago in self.part.days.items()}
        else:
            began = self.today - timedelta(days=self.chance("began").whole(60, 700))
            enrols = self.study.form[self.kind.form_oid]
            found = {
                anchor.oid: began if enrols.with_alias(anchor.alias) else began + timedelta(days=self.chance(anchor.oid).whole(20, 40))
                for anchor in self.study.anchors
            }
        return {oid: day for oid, day in found.items() if day <= self.today}

    def told(self) -> Told:
        self._fill(self.study.event[self.kind.event_oid], self.study.form[self.kind.form_oid], self.consent)
        for _, _, event, forms, day, facts in sorted(self._occasions(), key=lambda one: one[:2]):
            for form in forms:
                self._fill(event, form, day, facts)
        return Told(self.seat, self.consent, tuple(self.entered))

    def _occasions(self) -> Iterator[tuple[date, int, StudyEventDef, list[FormDef], date, dict[str, str]]]:
        number = 0
        for event in self.study.events_for(self.seat.subject_type):
            number += 100
            if event.type is EventType.SCHEDULED:
                found = self._visit(event)
                if found is not None:
                    yield found[0], number, event, found[1], found[0], found[2]
            elif event.type is EventType.COMMON and self.part.visits.get(event.oid) != "open":
                forms = [self.study.form[ref.form_oid] for ref in event.forms if ref.mandatory]
                named = [item for form in forms for _, item in form.items.values() if item.refers_to and item.mandatory]
                if forms and all(item.refers_to in self.partners for item in named):
                    day = min(self.today, self.consent + timedelta(days=3))
                    yield day, number, event, forms, day, {}
        for log in self._logs():
            number += 1
            kind, day = self.script.logs[log.kind], self.today - timedelta(days=log.ago)
            if day >= self.consent:
                yield day, number, self.study.event[kind.event_oid], [self.study.form[kind.form_oid]], day, {"kind": log.kind}

    def _visit(self, event: StudyEventDef) -> tuple[date, list[FormDef], dict[str, str]] | None:
        """When the visit took place, its forms, and what is known of it; None where nothing is recorded."""
        how = self.part.visits.get(event.oid, "") if self.first else ""
        chance = self.chance("visit", event.oid)
        if event.target is not None and event.anchor in self.days:
            target, opens, closes = bounds(event, self.days[event.anchor])
            day = target + timedelta(days=chance.whole(max((opens - target).days, -3), min((closes - target).days, 4)))
        elif event.target is None and event.date_alias in self.aliases:
            target = closes = day = self.aliases[event.date_alias]
        elif event.target is None and not event.anchor and all(anchor.alias != event.date_alias for anchor in self.study.anchors):
            target = closes = day = self.consent + timedelta(days=chance.whole(0, 60))
        else:
            return None
        forms = [self.study.form[ref.form_oid] for ref in event.forms if self._wanted(event, ref.form_oid, ref.mandatory)]
        visit_form = next((form for form in forms if form.with_alias("SVOCCUR")), None)
        if not how and not self.first and event.target is not None and event.oid != self.kind.event_oid:
            how = self._mishap(chance, day, closes)
        if how.lstrip("-").isdecimal():
            day = target + timedelta(days=int(how))
        elif how == "open":
            return None
        if day > self.today or (self.ended is not None and day > self.ended):
            return None
        if how and not how.lstrip("-").isdecimal():
            return (day, [visit_form], {"SVOCCUR": "N", "SVREASOC": how}) if visit_form is not None else None
        return day, forms, {"SVOCCUR": "Y", "SVSTDAT": day.isoformat()}

    def _mishap(self, chance: Chance, day: date, closes: date) -> str:
        rate, drawn = self.script.rate, chance.share()
        if drawn < rate("missed"):
            items = [form.with_alias("SVREASOC") for form in self.study.forms_with("SVREASOC")]
            codes = [each.code for item in items[:1] if item and item.codelist for each in item.codelist.items if each.code != "OTHER"]
            return chance.one(codes) if codes else "open"
        if drawn < rate("missed") + rate("forgotten"):
            return "open"
        if drawn < rate("missed") + rate("forgotten") + rate("late"):
            return str((closes - day).days + 4 + chance.whole(1, 20))
        return ""

    def _wanted(self, event: StudyEventDef, form_oid: str, mandatory: bool) -> bool:
        """Whether the form is filled. A statement is made by signing it, and a simulation signs nothing."""
        form = self.study.form[form_oid]
        if form.access == "statement" or (event.oid, form_oid) == (self.kind.event_oid, self.kind.form_oid):
            return False
        if mandatory:
            left = (
                not self.first
                and not form.with_alias("SVOCCUR")
                and self.chance("left", event.oid, form_oid).happens(self.script.rate("left"))
            )
            return not left and not (self.first and f"{event.oid}.{form_oid}" in self.part.left)
        return form_oid in self.part.optional or self.chance("optional", form_oid).happens(self.script.optional.get(form_oid, 0.0))

    def _logs(self) -> Iterator[Log]:
        """What the first block tells; what befalls later subjects; and what belongs to an ending."""
        until = self.ended or self.today
        if self.first:
            yield from self.part.logs
        else:
            for address, mean in self.script.means.items():
                yield from self._drawn(address, mean, until)
        for name in self.script.endings.get(self.part.ending, ()):
            yield Log(name, (self.today - until).days)

    def _drawn(self, address: str, mean: float, until: date) -> Iterator[Log]:
        event_oid, _, form_oid = address.partition(".")
        event, chance = self.study.event[event_oid], self.chance("logs", address)
        kinds = {
            name: kind.weight
            for name, kind in self.script.logs.items()
            if (kind.event_oid, kind.form_oid) == (event_oid, form_oid) and (not kind.after or kind.after in self.days) and kind.weight
        }
        if self.seat.subject_type not in event.subject_types or not kinds:
            return
        for _ in range(chance.count(mean) if self.study.form[form_oid].repeating else int(chance.happens(mean))):
            name = chance.weighted(kinds)
            since = self.days.get(self.script.logs[name].after, self.consent)
            yield Log(name, (self.today - until).days + chance.whole(0, max(0, (until - since).days)))

    def _fill(self, event: StudyEventDef, form: FormDef, day: date, facts: Mapping[str, str] | None = None) -> None:
        more = dict(facts or {})
        kind = self.script.logs.get(more.pop("kind", ""))
        used = [one.key for one in self.held.get(form.oid, ()) if one.key.event_oid == event.oid]
        if used and not form.repeating and not event.repeating:
            return
        key = FormKey(event.oid, form.oid, len(used) + 1 if event.repeating else 1, 1 if event.repeating else len(used) + 1)
        chance = self.chance(event.oid, form.oid, len(used))
        casebook = Casebook(self.study, lambda oid: self.held.get(oid, ()))
        about = {"type": self.seat.subject_type, "site": self.seat.site, "key": self.seat.key}
        context = Context(self.today, self.zone, about, casebook.value)
        filling = Filling(form, self._asked(event, form, kind), self._scene(day, more), context, chance)
        occasion = Occasion(event, self._anchored(event, form))
        found = _decided(self.study, form, filling.fill(), context, occasion)
        if found is None:
            return
        if self.telling.errors and chance.happens(self.telling.errors):
            wrong = spoiled(form, found[0], chance)
            # What a hard check stops never comes into a trial; the person corrects it before saving.
            found = (wrong and _decided(self.study, form, wrong, context, occasion, 1)) or found
        answers, decision = found
        understood = project(self.study, form, decision.document)
        for one in understood:
            if one.text:
                for where in ("", key.event_oid):
                    self.known.setdefault((one.alias, where), []).append(one.text)
        self.held.setdefault(form.oid, []).append(_Stored(key, decision.document))
        self.entered.append(Entered(key, answers, decision, understood))

    def _scene(self, day: date, facts: Mapping[str, str]) -> Scene:
        treated = self.days.get(self.script.treatment)
        months = (day - treated).days / course.MONTH if treated is not None and day > treated else None
        # By the day and not by the form: two forms of one visit tell one value.
        values = self.measured.get(day)
        if values is None:
            values = self.measured[day] = course.at(self.person, months, self.chance("day", day))
        everything = {**self.facts, "END": self.part.ending, "DAY": day.isoformat(), "CONSENT": self.consent.isoformat(), **facts}
        everything |= {**self.partners, "SUBJID": self.seat.key}
        script = self.script
        return Scene(day, self.zone, values, self.aliases, everything, script.codes, script.rate("missing"), script.reasons, self.partners)

    def _asked(self, event: StudyEventDef, form: FormDef, kind: LogKind | None) -> Asked:
        mine, usual = self.part.answers, self.script.forms.get(form.oid, {})
        special = kind.answers if kind is not None else {}

        def asked(group: ItemGroupDef, item: ItemDef) -> Rule | None:
            return (
                mine.get(f"{event.oid}.{form.oid}.{item.oid}")
                or mine.get(f"{form.oid}.{item.oid}")
                or special.get(item.oid)
                or usual.get(item.oid)
                or next(
                    (of[group.oid] for of in (special, usual) if group.oid in of and (group.repeating or item.type not in _OF_THEIR_OWN)),
                    None,
                )
            )

        return asked

    def _anchored(self, event: StudyEventDef, form: FormDef) -> date | None:
        """The day that the visit is counted from, as `actions.enter` finds it: from what was recorded."""
        if not event.anchor or event.target is None or form.with_alias(event.date_alias) is None:
            return None
        anchor = next(anchor for anchor in self.study.anchors if anchor.oid == event.anchor)
        return earliest_exact(self.known.get((anchor.alias, anchor.event), ()))


def _decided(
    study: Study, form: FormDef, answers: Mapping[Place, Answer], context: Context, occasion: Occasion, tries: int = MOST_TRIES
) -> tuple[Mapping[Place, Answer], Decision] | None:
    """What the save decides, answers that a hard check refuses left out; None where nothing is left, or after so many tries."""
    for _ in range(tries):
        try:
            # A made-up trial has no decisions yet: a cohort that waits for one is asked about, as at every save.
            typed = Document().with_answers(answers)
            gated = gate.findings(study, form, typed, (), context.zone, datetime.max.replace(tzinfo=UTC))
            return answers, decide(form, None, Submitted(answers), (), context, occasion, gated)
        except Refused as refused:
            wrong = {finding.place for finding in refused.findings}
            kept = {place: answer for place, answer in answers.items() if place not in wrong}
            if len(kept) == len(answers):
                return None
            answers = kept
    return None
