"""Raw study files to a strict Study, or every problem at once with file and line (after `packaging.metadata`: lenient in, strict out)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from trialcrf.core.checks import OWN_CHECKS
from trialcrf.core.definition.amendment_load import amendment
from trialcrf.core.definition.cells_load import cells
from trialcrf.core.definition.codes import CodeList, CodeListItem
from trialcrf.core.definition.consistency import examine
from trialcrf.core.definition.criteria import Assumption
from trialcrf.core.definition.criteria_load import CriteriaReading
from trialcrf.core.definition.model import (
    ACCESS,
    Anchor,
    Check,
    EventType,
    FormDef,
    FormRef,
    ItemGroupDef,
    Offset,
    Severity,
    Study,
    StudyEventDef,
    SubjectType,
    Window,
)
from trialcrf.core.definition.oversight_load import examine_oversight, oversight
from trialcrf.core.definition.reminders_load import reminders
from trialcrf.core.definition.safety_load import safety
from trialcrf.core.definition.session_load import session_limits
from trialcrf.core.definition.signing_in_load import signing_in
from trialcrf.core.definition.source import DefinitionProblems, Located, Places, Problem, Source
from trialcrf.core.wording import N_, Message

__all__ = ["DefinitionProblems", "Located", "Problem", "Source", "load"]

_KEY_FIELD = re.compile(r"\{([^{}]*)\}")
_ASSUMPTION = re.compile(r"[A-Z]-[0-9]{1,3}[a-z]?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_NOTHING = CodeList("", ())


STUDY_KEYS = (
    "oid title protocol languages subject_types anchors codelists reasons confirmations reminders due_soon safety cells oversight "
    "sessions sign_in amendment assumptions"
)
EVENT_KEYS = "oid label type subject_types repeating anchor target window date_alias forms assumptions"
FORM_KEYS = "oid label help repeating access groups checks"


def load(source: Source) -> Study:
    """The study that these files define. Raises DefinitionProblems with everything that is wrong in any of them."""
    if source.study is None:
        # Codelists and languages stand in the main file: without it every reference in the others would be one more false alarm.
        absent = Problem("study.yaml", 1, Message(N_("The main file of the study is missing.")))
        raise DefinitionProblems(source.problems or (absent,))
    reading = _StudyReading(source)
    study = reading.study(source.study, source.schedule, source.forms, source.eligibility)
    examine(study, reading, reading.places, complete=not source.problems)
    if not source.problems:
        reading.examine_eligibility(study)
        examine_oversight(study, reading, reading.places)
    if reading.problems:
        raise DefinitionProblems(reading.problems)
    return study


class _StudyReading(CriteriaReading):
    """One run over the files of a study."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.problems, Places())

    def study(self, main: Located, schedule: Located | None, forms: Iterable[Located], eligibility: Located | None) -> Study:
        raw = self.fields(main, STUDY_KEYS, "oid title protocol languages subject_types reasons confirmations")
        self.languages = self._languages(raw.get("languages"))
        self.codelists = self._codelists(raw.get("codelists"))
        assumptions = self._assumptions(raw.get("assumptions"))
        self.assumption_names = frozenset(assumptions)
        loaded = [form for node in forms if (form := self._form(node)) is not None]
        events = self._events(schedule) if schedule is not None else ()
        return Study(
            oid=self.oid(raw.get("oid")),
            title=self.words(raw.get("title")),
            protocol=self.text(raw.get("protocol")),
            languages=self.languages,
            subject_types=self._subject_types(raw.get("subject_types")),
            anchors=self._anchors(raw.get("anchors")),
            events=events,
            forms=tuple(sorted(loaded, key=lambda form: form.oid)),
            reasons=self.codelist(raw.get("reasons")) or _NOTHING,
            confirmations=self.codelist(raw.get("confirmations")) or _NOTHING,
            reminders=reminders(self, raw.get("reminders")),
            due_soon=self.integer(raw.get("due_soon"), 0, 366, 14),
            safety=safety(self, raw.get("safety")),
            cells=cells(self, raw.get("cells")),
            oversight=oversight(self, raw.get("oversight")),
            sessions=session_limits(self, raw.get("sessions")),
            sign_in=signing_in(self, raw.get("sign_in")),
            amendment=amendment(self, raw.get("amendment"), {form.oid for form in loaded}),
            assumptions=assumptions,
            parameters=self.parameters(eligibility),
            eligibility=self.eligibility(eligibility),
        )

    def _languages(self, node: Located | None) -> tuple[str, ...]:
        found: list[str] = []
        for each in self.many(node):
            language = self.text(each)
            if not _LANGUAGE.fullmatch(language):
                self.say(each, N_("A language is written as two small letters, such as fr."))
            elif language in found:
                self.say(each, N_("“%(text)s” stands here twice."), text=language)
            else:
                found.append(language)
        for language in ("fr", "en"):
            if node is not None and language not in found:
                self.say(node, N_("A study is written in French and in English at least: “%(language)s” is missing."), language=language)
        return tuple(found) or ("fr", "en")

    def _codelists(self, node: Located | None) -> Mapping[str, CodeList]:
        found: dict[str, CodeList] = {}
        for oid, raw in self.entries(node).items() if node is not None else ():
            self.key_oid(node, oid)
            items = self._codes(raw)
            if not items:
                self.say(raw, N_("The codelist “%(oid)s” has no codes."), oid=oid)
            found[oid] = CodeList(oid, items)
        return found

    def _codes(self, raw: Located) -> tuple[CodeListItem, ...]:
        """Codes written as a mapping of code to label, or as a list of entries with `code` and `label`."""
        pairs: list[tuple[Located, str, Located | None]] = []
        if isinstance(raw.value, Mapping):
            pairs = [(Located(code, raw.file, raw.keys.get(code, raw.line)), code, label) for code, label in raw.value.items()]
        else:
            for each in self.many(raw):
                entry = self.fields(each, "code label", "code label")
                pairs.append((entry.get("code", each), self.text(entry.get("code")), entry.get("label")))
        found: dict[str, CodeListItem] = {}
        for at, code, label in pairs:
            if code != code.strip() or "|" in code or len(code) > 200 or not code.isprintable() or not code:
                self.say(at, N_("“%(code)s” cannot be a code: 1 to 200 printable characters, no | and no outer spaces."), code=code)
            if code in found:
                self.say(at, N_("The code “%(code)s” stands here twice."), code=code)
            found[code] = CodeListItem(code, self.words(label))
        return tuple(found.values())

    def _assumptions(self, node: Located | None) -> Mapping[str, Assumption]:
        found: dict[str, Assumption] = {}
        for key, each in self.entries(node).items() if node is not None else ():
            if not _ASSUMPTION.fullmatch(key):
                self.say(each, N_("“%(key)s” does not name an assumption: a capital letter, a hyphen and a number, such as A-27."), key=key)
            raw = self.fields(each, "question reading why state by on", "question reading")
            state = self.one_of(raw.get("state"), ("proposed", "confirmed"), "proposed")
            by, on = self.text(raw.get("by")), self.text(raw.get("on"))
            if (state == "confirmed") != bool(by and on):
                self.say(raw.get("state", each), N_("A confirmed assumption says by whom and on which day; a proposed one does not."))
            if on and not _DAY.fullmatch(on):
                self.say(raw["on"], N_("A day is written as 2026-01-31."))
            found[key] = Assumption(
                self.words(raw.get("question")), self.words(raw.get("reading")), self.words(raw.get("why")), state, by, on
            )
        return found

    def _subject_types(self, node: Located | None) -> tuple[SubjectType, ...]:
        found: dict[str, SubjectType] = {}
        for each in self.many(node):
            raw = self.fields(each, "oid label key enrolment product", "oid label key enrolment")
            enrolment = self.fields(raw["enrolment"], "event form", "event form") if "enrolment" in raw else {}
            oid = self.unique(raw.get("oid"), found)
            self.places["subject_type", oid] = enrolment.get("event", each)
            key = self._key(raw.get("key"))
            clash = next((kind.oid for kind in found.values() if key and kind.key == key), None)
            if clash:
                self.say(raw["key"], N_("The subject type “%(oid)s” has the same key pattern: its keys would collide."), oid=clash)
            found[oid] = SubjectType(
                oid,
                self.words(raw.get("label")),
                key,
                self.text(enrolment.get("event")),
                self.text(enrolment.get("form")),
                self.boolean(raw.get("product")),
            )
        if node is not None and not found:
            self.say(node, N_("A study needs at least one subject type."))
        return tuple(found.values())

    def _key(self, node: Located | None) -> str:
        """A subject key pattern: `{number}` must be in it; any other field than `{site}` would fail at the first enrolment."""
        key = self.text(node)
        if node is None or not key:
            return key
        names = [name.partition(":") for name in _KEY_FIELD.findall(key)]
        bare = _KEY_FIELD.sub("", key)
        known = all((n == "site" and not colon) or (n == "number" and (not colon or re.fullmatch(r"0[1-9]d", f))) for n, colon, f in names)
        if "{" in bare or "}" in bare or not known:
            self.say(node, N_("A subject key is made of text, {site} and {number} (or {number:03d})."))
        elif [name for name, _, _ in names].count("number") != 1:
            self.say(node, N_("A subject key needs {number} once: without it every subject would have the same key."))
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", bare.replace("{", "").replace("}", "")):
            self.say(node, N_("A subject key may hold letters, digits, hyphens, dots and underscores only: it stands in addresses."))
        return key

    def _anchors(self, node: Located | None) -> tuple[Anchor, ...]:
        found: dict[str, Anchor] = {}
        for each in self.many(node):
            raw = self.fields(each, "oid label alias event", "oid label alias")
            oid = self.unique(raw.get("oid"), found)
            self.places["anchor", oid] = raw.get("alias", each)
            if "event" in raw:
                self.places["anchor", oid, "event"] = raw["event"]
            found[oid] = Anchor(oid, self.words(raw.get("label")), self.text(raw.get("alias")), self.text(raw.get("event")))
        return tuple(found.values())

    def _events(self, schedule: Located) -> tuple[StudyEventDef, ...]:
        found: dict[str, StudyEventDef] = {}
        for each in self.many(self.fields(schedule, "events", "events").get("events")):
            raw = self.fields(each, EVENT_KEYS, "oid label type subject_types forms")
            oid = self.unique(raw.get("oid"), found)
            if oid in found:
                # A second event of this name is read for its own problems, and must not stand in for the first.
                oid = f"{oid} in line {each.line}"
            self.places["event", oid] = raw.get("oid", each)
            for key in ("anchor", "target", "window", "date_alias", "subject_types", "forms", "repeating"):
                if key in raw:
                    self.places["event", oid, key] = raw[key]
            found[oid] = StudyEventDef(
                oid=oid,
                label=self.words(raw.get("label")),
                type=EventType(self.one_of(raw.get("type"), EventType, EventType.COMMON)),
                subject_types=tuple(self.text(kind) for kind in self.many(raw.get("subject_types"))),
                forms=tuple(self._form_ref(oid, form) for form in self.many(raw.get("forms"))),
                repeating=self.boolean(raw.get("repeating")),
                anchor=self.text(raw.get("anchor")),
                target=self._offset(raw.get("target")),
                window=self._window(raw.get("window")),
                date_alias=self.text(raw.get("date_alias"), "SVSTDAT"),
                assumptions=self.named_assumptions(raw.get("assumptions")),
            )
        return tuple(found.values())

    def _form_ref(self, event: str, node: Located) -> FormRef:
        if isinstance(node.value, Mapping):
            raw = self.fields(node, "form mandatory", "form")
            ref = FormRef(self.text(raw.get("form")), self.boolean(raw.get("mandatory"), True))
        else:
            ref = FormRef(self.text(node))
        if ("event", event, "form", ref.form_oid) in self.places:
            self.say(node, N_("The form “%(oid)s” stands here twice."), oid=ref.form_oid)
        self.places["event", event, "form", ref.form_oid] = node
        return ref

    def _offset(self, node: Located | None) -> Offset | None:
        if node is None:
            return None
        raw = self.fields(node, "months days")
        if not raw:
            self.say(node, N_("A target is a number of months, of days, or both: “months: 3”."))
        return Offset(self.integer(raw.get("months"), -600, 600), self.integer(raw.get("days"), -3650, 3650))

    def _window(self, node: Located | None) -> Window:
        if node is None:
            return Window()
        raw = self.fields(node, "before after", "before after")
        return Window(self.integer(raw.get("before"), 0, 3650), self.integer(raw.get("after"), 0, 3650))

    def _form(self, node: Located) -> FormDef | None:
        raw = self.fields(node, FORM_KEYS, "oid label groups")
        oid = self.oid(raw.get("oid"))
        first = self.places.get(("form", oid))
        if oid and first is not None:
            said = N_("The form “%(oid)s” is already defined in %(file)s, line %(line)s.")
            self.say(raw["oid"], said, oid=oid, file=first.file, line=first.line)
            # A second form of this name is read for its own problems, under a name that no file can hold.
            oid = f"{oid} in {node.file}"
        self.places["form", oid] = raw.get("oid", node)
        groups: dict[str, ItemGroupDef] = {}
        for each in self.many(raw.get("groups")):
            group = self.group(oid, each, groups)
            groups[group.oid if group.oid not in groups else f"{group.oid} in line {each.line}"] = group
        if "groups" in raw and not any(group.items for group in groups.values()):
            self.say(raw["groups"], N_("A form needs at least one item."))
        form = FormDef(
            oid=oid,
            label=self.words(raw.get("label")),
            groups=tuple(groups.values()),
            help=self.words(raw.get("help")),
            repeating=self.boolean(raw.get("repeating")),
            access=self.one_of(raw.get("access"), ACCESS, "form"),
            checks=self._checks(oid, raw.get("checks")),
        )
        return form if first is None else None

    def _checks(self, form: str, node: Located | None) -> tuple[Check, ...]:
        found: dict[str, Check] = {}
        for each in self.many(node):
            raw = self.fields(each, "oid holds severity message items", "oid holds severity message items")
            oid = self.unique(raw.get("oid"), found)
            if oid in OWN_CHECKS and "oid" in raw:
                self.say(raw["oid"], N_("“%(oid)s” is the name of a check of the program."), oid=oid)
            self.places["check", form, oid] = each
            self.places["check", form, oid, "items"] = raw.get("items", each)
            self.places["check", form, oid, "holds"] = raw.get("holds", each)
            holds = self.expression(raw.get("holds"))
            severity = Severity(self.one_of(raw.get("severity"), Severity, Severity.SOFT))
            items = tuple(self.text(item) for item in self.one_or_many(raw.get("items")))
            if "items" in raw and not items:
                self.say(raw["items"], N_("A finding needs an item to stand at."))
            if holds is not None:
                found[oid] = Check(oid, holds, severity, self.words(raw.get("message")), items)
            else:
                self.words(raw.get("message"))
        return tuple(found.values())
