"""The boxes of a monitoring visit's page, as WTForms draws and reads them; what may be said in them is in the actions."""

from __future__ import annotations

from wtforms import Form, SelectField, StringField, TextAreaField

from trialcrf.actions import Impossible
from trialcrf.actions.oversight.monitor import LONGEST_LINE, LONGEST_TEXT
from trialcrf.core.wording import N_, Message
from trialcrf.web.fixed import DayForm

_LINE = {"maxlength": str(LONGEST_LINE)}
_TEXT = {"rows": "3", "maxlength": str(LONGEST_TEXT)}


def number_of(text: str | None) -> int:
    """The number of a line that was chosen, 0 for none or for what no page of ours sends."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0


class PlanForm(DayForm):
    where = SelectField(N_("Site"), validate_choice=False)
    purpose = SelectField(N_("Purpose"), default="routine", validate_choice=False)
    text = TextAreaField(N_("What for"), render_kw=_TEXT)


class NoForm(Form):
    """An act without a box."""


class TextForm(Form):
    text = TextAreaField(N_("Text"), render_kw=_TEXT)


class HeldForm(DayForm):
    length = StringField(N_("How many days"), default="1", render_kw={"inputmode": "numeric", "size": "2"})
    text = StringField(N_("Who was present"), render_kw=_LINE)

    def read_length(self) -> int:
        """Raises Impossible."""
        found = number_of((self.length.data or "").strip())
        if not 1 <= found <= 60:
            raise Impossible(Message(N_("A whole number from %(low)s to %(high)s is expected here."), {"low": 1, "high": 60}), "length")
        return found


class FindingForm(Form):
    severity = SelectField(N_("Importance"), validate_choice=False)
    subject = StringField(N_("Subject, if about one"), render_kw={"maxlength": "40", "spellcheck": "false"})
    text = TextAreaField(N_("What was found"), render_kw=_TEXT)


class ActionForm(DayForm):
    finding = SelectField(N_("About"), validate_choice=False)
    owner = SelectField(N_("Who"), validate_choice=False)
    text = TextAreaField(N_("What is to be done"), render_kw=_TEXT)


class DoneForm(Form):
    action = SelectField(N_("Action"), validate_choice=False)
    text = TextAreaField(N_("How it was settled"), render_kw=_TEXT)


class LetterForm(Form):
    language = SelectField(N_("Language"), validate_choice=False)


class SentForm(DayForm):
    report = SelectField(N_("Letter"), validate_choice=False)
    text = StringField(N_("Sent to"), render_kw=_LINE)
