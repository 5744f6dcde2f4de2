"""The boxes of a serious event's page, as WTForms draws and reads them; what may be said in them is in the actions."""

from __future__ import annotations

from datetime import datetime, tzinfo

from wtforms import FileField, Form, HiddenField, SelectField, StringField, TextAreaField

from trialcrf.actions import Impossible
from trialcrf.actions.safety.case import LONGEST_LINE, LONGEST_NARRATIVE, LONGEST_WORDS
from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer
from trialcrf.core.safety.event import FACTORS, NOT_RELATED, RELATED
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Words

_MOMENT = ItemDef("at", Words(), DataType.DATETIME)
"""A moment of a fixed page is read as any date with time of a form is."""

JUDGEMENTS = {"": "", RELATED: N_("Related"), NOT_RELATED: N_("Not related")}
_LINE = {"maxlength": str(LONGEST_LINE)}
_WORDS = {"rows": "3", "maxlength": str(LONGEST_WORDS)}


class MomentForm(Form):
    """Day and time at the site, in four boxes."""

    day = StringField(N_("Day"), render_kw={"inputmode": "numeric", "size": "2"})
    month = StringField(N_("Month"), render_kw={"inputmode": "numeric", "size": "2"})
    year = StringField(N_("Year"), render_kw={"inputmode": "numeric", "size": "4"})
    time = StringField(N_("Time"), render_kw={"size": "5", "placeholder": "14:30"})
    seen = HiddenField()

    def moment(self, zone: tzinfo) -> datetime | None:
        """The moment that was typed, None where nothing was. Raises Impossible at the boxes."""
        parts = {"d": self.day.data or "", "m": self.month.data or "", "y": self.year.data or "", "t": self.time.data or ""}
        typed = read(_MOMENT, Raw(parts), zone)
        if isinstance(typed, Unreadable):
            raise Impossible(typed.message, "day")
        return datetime.fromisoformat(typed.text) if isinstance(typed, Answer) else None

    def show(self, at: datetime) -> None:
        """Fill the boxes with a moment, in its own zone."""
        self.day.data, self.month.data, self.year.data = f"{at.day:02}", f"{at.month:02}", str(at.year)
        self.time.data = f"{at:%H:%M}"


class InformForm(MomentForm):
    who = StringField(N_("Who learned of it"), render_kw=_LINE)
    what = TextAreaField(N_("What was learned, and how"), render_kw=_WORDS)


class SubmitForm(MomentForm):
    obligation = SelectField(N_("Obligation"), validate_choice=False)
    to = StringField(N_("Sent to"), render_kw=_LINE)
    reference = StringField(N_("Reference"), render_kw=_LINE)


class AcknowledgeForm(MomentForm):
    submission = SelectField(N_("Report sent"), coerce=str, validate_choice=False)
    reference = StringField(N_("Reference"), render_kw=_LINE)


class AssessForm(Form):
    """Causality by factor, and expectedness. The fields of the factors are named after their aliases."""

    AERELPRD = SelectField(FACTORS["AERELPRD"], choices=JUDGEMENTS, validate_choice=False)
    AERELEXC = SelectField(FACTORS["AERELEXC"], choices=JUDGEMENTS, validate_choice=False)
    AERELINF = SelectField(FACTORS["AERELINF"], choices=JUDGEMENTS, validate_choice=False)
    AERELPRE = SelectField(FACTORS["AERELPRE"], choices=JUDGEMENTS, validate_choice=False)
    AERELHAR = SelectField(FACTORS["AERELHAR"], choices=JUDGEMENTS, validate_choice=False)
    AERELCM = SelectField(FACTORS["AERELCM"], choices=JUDGEMENTS, validate_choice=False)
    AERELDIS = SelectField(FACTORS["AERELDIS"], choices=JUDGEMENTS, validate_choice=False)
    AERELOTH = SelectField(FACTORS["AERELOTH"], choices=JUDGEMENTS, validate_choice=False)
    expected = SelectField(N_("Expectedness"), choices={"": "", "N": N_("Unexpected"), "Y": N_("Expected")}, validate_choice=False)
    comment = TextAreaField(N_("Comment of the sponsor"), render_kw=_WORDS)
    seen = HiddenField()


class NarrativeForm(Form):
    language = SelectField(N_("Language"), validate_choice=False)
    text = TextAreaField(N_("Narrative"), render_kw={"rows": "10", "maxlength": str(LONGEST_NARRATIVE)})
    seen = HiddenField()


class VersionForm(Form):
    what = TextAreaField(N_("What is new"), render_kw={"rows": "2", "maxlength": str(LONGEST_WORDS)})
    seen = HiddenField()


class DocumentForm(Form):
    file = FileField(N_("Document"), render_kw={"accept": ".pdf,.png,.jpg,.jpeg,.txt"})
    seen = HiddenField()


class WhyForm(Form):
    why = TextAreaField(N_("Reason"), render_kw={"rows": "2", "maxlength": str(LONGEST_WORDS)})
    seen = HiddenField()
