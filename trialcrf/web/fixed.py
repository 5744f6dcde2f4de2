"""The boxes of the fixed pages (sign-in, people, sites, reports), as WTForms draws and reads them; the rules are in the actions."""

from __future__ import annotations

from datetime import UTC, date

from wtforms import EmailField, Form, HiddenField, PasswordField, RadioField, SelectField, StringField, TextAreaField

from trialcrf.actions import Impossible
from trialcrf.core.definition.model import DataType, ItemDef
from trialcrf.core.document import Answer
from trialcrf.core.values import Raw, Unreadable, read
from trialcrf.core.wording import N_, Message, Words

NAMES = {"fr": "Français", "en": "English"}
"""What the languages call themselves."""


_DAY = ItemDef("day", Words(), DataType.DATE)
"""A day of a fixed page is read as any date of a form is."""


class DayForm(Form):
    """A day in three boxes."""

    day = StringField(N_("Day"), render_kw={"inputmode": "numeric", "size": "2"})
    month = StringField(N_("Month"), render_kw={"inputmode": "numeric", "size": "2"})
    year = StringField(N_("Year"), render_kw={"inputmode": "numeric", "size": "4"})

    def read_day(self, blank: Message) -> date:
        """The day that was typed. Raises Impossible at the boxes, with `blank` where nothing was."""
        parts = {"d": self.day.data or "", "m": self.month.data or "", "y": self.year.data or ""}
        typed = read(_DAY, Raw(parts), UTC)
        if isinstance(typed, Unreadable):
            raise Impossible(typed.message, "day")
        if not isinstance(typed, Answer):
            raise Impossible(blank, "day")
        return date.fromisoformat(typed.text)


class SignInForm(Form):
    username = StringField(N_("User name"), render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    next = HiddenField()


class PasswordForm(Form):
    old = PasswordField(N_("Present password"), render_kw={"autocomplete": "current-password"})
    new = PasswordField(N_("New password"), render_kw={"autocomplete": "new-password"})


class FirstPasswordForm(Form):
    new = PasswordField(N_("New password"), render_kw={"autocomplete": "new-password"})


class AccountForm(Form):
    username = StringField(N_("User name"), render_kw={"autocapitalize": "none", "spellcheck": "false"})
    name = StringField(N_("Name"))
    email = EmailField(N_("E-mail"))
    organisation = StringField(N_("Organisation"))
    language = SelectField(N_("Language"), choices=NAMES, validate_choice=False)


class RoleForm(Form):
    role = SelectField(N_("Role"), validate_choice=False)
    study = SelectField(N_("Study"), validate_choice=False)
    site = SelectField(N_("Site"), validate_choice=False)


class ReasonForm(Form):
    reason = TextAreaField(N_("Reason"), render_kw={"rows": "2", "maxlength": "500"})


class MissedForm(Form):
    code = SelectField(N_("Why did the visit not take place?"), validate_choice=False)
    words = TextAreaField(N_("Describe the reason"), render_kw={"rows": "2", "maxlength": "500"})


class RequestForm(Form):
    words = TextAreaField(N_("Request"), render_kw={"rows": "3", "maxlength": "1000"})


class SiteForm(Form):
    study = SelectField(N_("Study"), validate_choice=False)
    code = StringField(N_("Site code"), render_kw={"maxlength": "10"})
    name = StringField(N_("Name"))
    zone = StringField(N_("Time zone"), default="Europe/Paris", render_kw={"spellcheck": "false", "list": "zones"})


class ReportForm(DayForm):
    kind = SelectField(N_("Report"), validate_choice=False)
    site = SelectField(N_("Site"), validate_choice=False)
    language = SelectField(N_("Language"), choices=NAMES, validate_choice=False)
    subject = StringField(N_("Subject"), render_kw={"maxlength": "40", "spellcheck": "false"})
    case_number = StringField(N_("Case"), render_kw={"maxlength": "9", "inputmode": "numeric"})
    why = StringField(N_("Why it is ordered"), render_kw={"maxlength": "500"})


class AnswerForm(Form):
    code = SelectField(N_("Why the value is right"), validate_choice=False)
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class ReviewForm(Form):
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class DecisionForm(Form):
    act = SelectField(N_("Decision"), choices=[], validate_choice=False)
    reason = TextAreaField(N_("Reason"), render_kw={"rows": "3", "maxlength": "1000"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


class VerdictForm(DayForm):
    verdict = SelectField(N_("Verdict"), validate_choice=False)
    comment = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})
    reason = SelectField(N_("Why the verdict is given again"), validate_choice=False)
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


class ReleaseForm(Form):
    decision = SelectField(N_("Decision"), choices=[], validate_choice=False)
    specification = SelectField(N_("Specification"), choices=[], validate_choice=False)
    why = TextAreaField(N_("Why, or on which conditions"), render_kw={"rows": "3", "maxlength": "1000"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


class LimitsForm(DayForm):
    site = SelectField(N_("Site"), validate_choice=False)
    laboratory = StringField(N_("Laboratory"), render_kw={"list": "laboratories", "maxlength": "80"})
    analyte = SelectField(N_("Analyte and unit"), validate_choice=False)
    sex = SelectField(N_("Holds for"), validate_choice=False)
    low = StringField(N_("Lower limit"), render_kw={"inputmode": "decimal", "size": "8"})
    high = StringField(N_("Upper limit"), render_kw={"inputmode": "decimal", "size": "8"})


class BedsideForm(Form):
    bag = StringField(N_("Bag"))
    wristband = StringField(N_("Wristband"))
    donation = StringField(N_("Donation on the bag"))
    cohort = RadioField(N_("Dose cohort"), choices=[], validate_choice=False)
    password = PasswordField(N_("Password"))
    second_username = StringField(N_("User name"))
    second_password = PasswordField(N_("Password"))


class EmergencyForm(Form):
    reason = TextAreaField(N_("Why this bag is to be given all the same"), render_kw={"rows": "3", "maxlength": "1000"})
    password = PasswordField(N_("Password"))


class LookBackForm(DayForm):
    """A finding at a donor: its day, what was done, and the donor's key typed again. What was found has no box."""

    note = TextAreaField(N_("What was done"), render_kw={"rows": "3"})
    confirm = StringField(
        N_("The donor’s key, typed again"), render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    )
