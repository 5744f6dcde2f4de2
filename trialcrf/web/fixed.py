"""The boxes of the fixed pages (sign-in, people, sites, reports), as WTForms draws and reads them; the rules are in the actions."""

from __future__ import annotations

from datetime import UTC, date

from wtforms import EmailField, FileField, Form, FormField, HiddenField, PasswordField, RadioField, SelectField, StringField, TextAreaField

from trialcrf.actions import Impossible
from trialcrf.actions.oversight.review_trail import Period
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

    def read_day_if_any(self) -> date | None:
        """The day that was typed, None where nothing was. Raises Impossible at the boxes."""
        return self.read_day(Message("")) if any((box.data or "").strip() for box in (self.day, self.month, self.year)) else None

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
    username = StringField(
        N_("User name"), render_kw={"autocomplete": "username webauthn", "autocapitalize": "none", "spellcheck": "false"}
    )
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    next = HiddenField()


class PasswordForm(Form):
    old = PasswordField(N_("Present password"), render_kw={"autocomplete": "current-password"})
    new = PasswordField(N_("New password"), render_kw={"autocomplete": "new-password"})


class EnclosureForm(Form):
    """A document for a question of a form."""

    at = SelectField(N_("Question that it proves"), validate_choice=False)
    file = FileField(N_("Document"), render_kw={"accept": ".pdf,.png,.jpg,.jpeg"})
    description = StringField(N_("What it is (optional)"), render_kw={"maxlength": "200", "autocomplete": "off"})


class WithdrawForm(Form):
    reason = StringField(N_("Why it is withdrawn"), render_kw={"maxlength": "500", "autocomplete": "off"})


class FirstPasswordForm(Form):
    new = PasswordField(N_("New password"), render_kw={"autocomplete": "new-password"})


class ForgottenForm(Form):
    who = StringField(
        N_("User name or e-mail address"), render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
    )


class ProofForm(Form):
    """Whoever changes what opens the account types its password again."""

    password = PasswordField(N_("Present password"), render_kw={"autocomplete": "current-password"})


class EmailForm(ProofForm):
    email = StringField(N_("New e-mail address"), render_kw={"type": "email", "autocomplete": "email", "maxlength": "254"})


class NameForm(Form):
    name = StringField(N_("Name"), render_kw={"maxlength": "80"})


class FactorForm(ProofForm):
    name = StringField(N_("Name of the device"), render_kw={"maxlength": "80", "autocomplete": "off"})


class CodeForm(Form):
    code = StringField(
        N_("Code of the app"), render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "12", "spellcheck": "false"}
    )


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


class TrainingForm(DayForm):
    """The day of a training; a reason where another day was recorded before."""

    reason = StringField(N_("Reason of the correction"), render_kw={"maxlength": "500"})


class NamesForm(Form):
    names = TextAreaField(N_("Names, one a line"), render_kw={"rows": "12", "autocomplete": "off", "spellcheck": "false"})


class DelegationForm(DayForm):
    username = SelectField(N_("Delegated to"), choices=[], validate_choice=False)
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})


class DelegationEndForm(DayForm):
    reason = StringField(N_("Reason"), render_kw={"maxlength": "500"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})


class AccessReviewForm(Form):
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


class ResultsForm(Form):
    """A file of laboratory results, and how it is read; its columns and codes are asked by the page itself."""

    file = FileField(N_("File"), render_kw={"accept": ".csv,.txt,.tsv"})
    encoding = SelectField(N_("Encoding"), validate_choice=False)
    separator = SelectField(N_("Columns are separated by"), validate_choice=False)
    decimals = SelectField(N_("Decimals stand behind a"), validate_choice=False)


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


class CasebookForm(Form):
    subject = StringField(N_("Subject"), render_kw={"maxlength": "40", "spellcheck": "false"})
    site = SelectField(N_("Casebooks"), validate_choice=False)
    language = SelectField(N_("Language"), choices=NAMES, validate_choice=False)


class BlankForm(Form):
    version = SelectField(N_("Version"), validate_choice=False)
    blank_language = SelectField(N_("Language"), choices=NAMES, validate_choice=False)


class AnswerForm(Form):
    code = SelectField(N_("Why the value is right"), validate_choice=False)
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class ReviewForm(Form):
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class AskForm(DayForm):
    """A query of a person, or who is to answer it by when."""

    text = TextAreaField(N_("Question"), render_kw={"rows": "3", "maxlength": "1000"})
    assignee = SelectField(N_("Who is to answer"), choices=[], validate_choice=False)


class ArrangeForm(DayForm):
    """Who is to answer a query by when, and why that changes."""

    assignee = SelectField(N_("Who is to answer"), choices=[], validate_choice=False)
    text = StringField(N_("Reason"), render_kw={"maxlength": "500"})


class BulkForm(DayForm):
    """One act on the queries that are ticked."""

    act = SelectField(N_("With the ticked queries"), choices=[], validate_choice=False)
    text = StringField(N_("Reason"), render_kw={"maxlength": "500"})
    assignee = SelectField(N_("Who is to answer"), choices=[], validate_choice=False)


class CommentForm(Form):
    text = TextAreaField(N_("Comment"), render_kw={"rows": "3", "maxlength": "1000"})


class ReviewPeriodForm(Form):
    """The first and the last day of a period, each in three boxes."""

    first = FormField(DayForm, N_("First day"))
    last = FormField(DayForm, N_("Last day"))

    def given(self) -> bool:
        return any(box.data for end in (self.first, self.last) for box in end)

    def fill(self, period: Period) -> None:
        for end, day in ((self.first, period.first), (self.last, period.last)):
            end.form.day.data, end.form.month.data, end.form.year.data = str(day.day), str(day.month), str(day.year)

    def first_day(self) -> date:
        return self._read("first")

    def last_day(self) -> date:
        return self._read("last")

    def _read(self, name: str) -> date:
        try:
            found: date = self[name].form.read_day(Message(N_("Give the day as day, month and year.")))
        except Impossible as problem:
            problem.field = name
            raise
        return found


class TrailReviewForm(Form):
    conclusion = TextAreaField(N_("Conclusion"), render_kw={"rows": "5", "maxlength": "4000"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()


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


class SealForm(Form):
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


class ApprovalForm(DayForm):
    """The approval of a version at a site; its day is that of the approval."""

    site = SelectField(N_("Site"), validate_choice=False)
    reference = StringField(N_("What names the approval"), render_kw={"maxlength": "200"})


class BedsideForm(Form):
    bag = StringField(N_("Bag"))
    wristband = StringField(N_("Wristband"))
    donation = StringField(N_("Donation on the bag"))
    cohort = RadioField(N_("Dose cohort"), choices=[], validate_choice=False)
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    second_username = StringField(N_("User name"))
    # Of a section of its own: what a browser keeps of the first person is not offered to the second.
    second_password = PasswordField(N_("Password"), render_kw={"autocomplete": "section-second current-password"})


class EmergencyForm(Form):
    reason = TextAreaField(N_("Why this bag is to be given all the same"), render_kw={"rows": "3", "maxlength": "1000"})
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})


class LookBackForm(DayForm):
    """A finding at a donor: its day, what was done, and the donor's key typed again. What was found has no box."""

    never_kept = ("confirm",)  # It is typed to mean it, here and now: no draft of it is ever filled in.
    note = TextAreaField(N_("What was done"), render_kw={"rows": "3"})
    confirm = StringField(
        N_("The donor’s key, typed again"), render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    )
