"""Every box of the fixed pages, as the program has it: what docs/fixed_pages.csv must say."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from wtforms import Form, FormField
from wtforms.fields.core import UnboundField

import trialcrf.web

KINDS = {
    "StringField": "text",
    "TextAreaField": "text",
    "EmailField": "address",
    "PasswordField": "password",
    "SelectField": "choice",
    "RadioField": "choice",
    "SelectMultipleField": "choice",
    "HiddenField": "of the page",
    "FileField": "file",
    "FormField": "day",
    "BooleanField": "yes or no",
}


def boxes() -> Iterator[tuple[str, str, str, str]]:
    """(form, box, kind, most characters that the box takes; empty where the rule says it)."""
    for module in pkgutil.walk_packages(trialcrf.web.__path__, "trialcrf.web."):
        importlib.import_module(module.name)
    for form in sorted(_below(Form), key=lambda one: one.__name__):
        for name in sorted(vars(form)):
            field = vars(form)[name]
            if isinstance(field, UnboundField):
                most = (field.kwargs.get("render_kw") or {}).get("maxlength", "")
                yield form.__name__, name, _kind(field), most


def _kind(field: UnboundField) -> str:
    if field.field_class is FormField:
        return "day" if "Day" in field.args[0].__name__ else field.args[0].__name__
    return KINDS[field.field_class.__name__]


def _below(form: type[Form]) -> Iterator[type[Form]]:
    for one in form.__subclasses__():
        if one.__module__.startswith("trialcrf."):
            yield one
        yield from _below(one)
