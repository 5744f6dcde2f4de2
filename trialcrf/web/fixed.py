"""The boxes of the fixed pages (sign-in, people, sites, reports), as WTForms draws and reads them; the rules are in the actions."""

from __future__ import annotations

from wtforms import EmailField, Form, HiddenField, PasswordField, SelectField, StringField, TextAreaField

from trialcrf.core.wording import N_

NAMES = {"fr": "Français", "en": "English"}
"""What the languages call themselves."""


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


class SiteForm(Form):
    study = SelectField(N_("Study"), validate_choice=False)
    code = StringField(N_("Site code"), render_kw={"maxlength": "10"})
    name = StringField(N_("Name"))
    zone = StringField(N_("Time zone"), default="Europe/Paris", render_kw={"spellcheck": "false", "list": "zones"})


class ReportForm(Form):
    day = StringField(N_("Day"), render_kw={"inputmode": "numeric", "size": "2"})
    month = StringField(N_("Month"), render_kw={"inputmode": "numeric", "size": "2"})
    year = StringField(N_("Year"), render_kw={"inputmode": "numeric", "size": "4"})
    language = SelectField(N_("Language"), choices=NAMES, validate_choice=False)


class AnswerForm(Form):
    code = SelectField(N_("Why the value is right"), validate_choice=False)
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class ReviewForm(Form):
    text = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})


class VerdictForm(Form):
    verdict = SelectField(N_("Verdict"), validate_choice=False)
    day = StringField(N_("Day"), render_kw={"inputmode": "numeric", "size": "2"})
    month = StringField(N_("Month"), render_kw={"inputmode": "numeric", "size": "2"})
    year = StringField(N_("Year"), render_kw={"inputmode": "numeric", "size": "4"})
    comment = TextAreaField(N_("Remark"), render_kw={"rows": "2", "maxlength": "500"})
    reason = SelectField(N_("Why the verdict is given again"), validate_choice=False)
    password = PasswordField(N_("Password"), render_kw={"autocomplete": "current-password"})
    seen = HiddenField()
