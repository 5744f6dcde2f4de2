"""The form of thirty items as a coordinator fills it: what the browser posts for one save."""

from __future__ import annotations

from urllib.parse import urlencode

ITEMS = 30
RECORDS = ITEMS + 1
"""Audit records of one new form: one for every item, the derived one included, and one for the form itself."""

VISITS = 10
DEGREES = ("MILD", "MODERATE", "SEVERE")


def fields(number: int, turn: int = 0) -> list[tuple[str, str]]:
    """Names and values of one form's boxes, in the order of the page, each item's marker after its boxes.

    Forms of different `number` differ here and there; two `turn`s of one form differ in every item. Nothing in it is doubted.
    """
    n, month = number + turn, 1 + number % VISITS
    box: dict[str, str | tuple[str, ...] | dict[str, str]] = {
        "CAME_ON": _day(3 + n % 20, month),
        "CAME_AT": f"{8 + n % 9:02d}:{(7 * n) % 60:02d}",
        "SEEN_IN": ("WARD", "CLINIC", "HOME")[n % 3],
        "WT": f"{52 + n % 40}.{n % 10}",
        "HT": f"{155 + (7 * n) % 35}.{n % 10}",
        "SYSTOLIC": f"{115 + n % 40}",
        "DIASTOLIC": f"{62 + n % 30}",
        "PULSE": f"{58 + n % 45}",
        "BREATHS": f"{11 + n % 12}",
        "TEMPERATURE": f"36.{n % 10}",
        "SATURATION": f"{90 + n % 10}",
        "WALKED": f"{250 + n % 400}",
        "PAIN": f"{n % 100}",
        "STAIRS": "YN"[n % 2],
        "HELPED": "NY"[n % 2],
        "SLEEP": DEGREES[n % 3],
        "MOOD": DEGREES[(n + 1) % 3],
        "SYMPTOM": ("HEADACHE", "FATIGUE", "ITCH") if n % 2 else ("NAUSEA", "THIRST"),
        "COUGH": DEGREES[n % 3],
        "COUGH_SINCE": {"d": "UNK", "m": str(1 + n % 12), "y": "2019"},
        "FEVER": "NY"[n % 2],
        "RASH": DEGREES[(n + 2) % 3],
        "STOOLS": str(n % 5),
        "DRAWN_AT": {**_day(3 + n % 20, month), "t": f"{9 + n % 8:02d}:15"},
        "HAEMOGLOBIN": f"{9 + n % 8}.{n % 10}",
        "LEUCOCYTES": f"{4 + n % 6}.{10 + n % 90}",
        "CRP": f"{n % 60}.{n % 10}",
        "OPINION": DEGREES[n % 3],
        "REMARK": f"Seen at the clinic, feels well; no new treatment since the last visit. Note {n}.",
    }
    sent: list[tuple[str, str]] = []
    for item, value in box.items():
        if isinstance(value, dict):
            sent += [(f"i.{item}.{part}", text) for part, text in value.items()]
        elif isinstance(value, tuple):
            sent += [(f"i.{item}", text) for text in value]
        else:
            sent.append((f"i.{item}", value))
        sent.append(("p", item))
    return sent


def markers() -> set[str]:
    """The items that the page must ask: all but the derived one."""
    return {value for name, value in fields(0) if name == "p"}


def body(number: int, token: str, turn: int = 0, version: int | None = None) -> bytes:
    """The post of a new form, or (with the version it was drawn from) of a change of every item, with its reason."""
    sent = [*fields(number, turn), ("token", token), ("act", "save")]
    if version is not None:
        sent += [("version", str(version)), ("why", "SLIP")]
    return urlencode(sent).encode()


def _day(day: int, month: int) -> dict[str, str]:
    return {"d": str(day), "m": str(month), "y": "2020"}
