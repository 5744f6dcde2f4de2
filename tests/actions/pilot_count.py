"""The pilot's tables counted by the standard library alone: what its safety report has to print, as text, table by table.

Independent on purpose: nothing of the program is imported here, and the rules are written anew from what the report says of itself.
"""

from __future__ import annotations

import csv
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

NAMES = ("dm", "ex", "sv", "ae", "ds")
ARMS = {"Pbo": "Placebo", "Xan_Lo": "Xanomeline Low Dose", "Xan_Hi": "Xanomeline High Dose", "Scrnfail": "Screen Failure"}
SEVERITIES = ("MILD", "MODERATE", "SEVERE")
CRITERIA = {
    "AESDTH": "Results in death",
    "AESLIFE": "Life-threatening",
    "AESHOSP": "Hospitalisation",
    "AESDISAB": "Disability or incapacity",
    "AESCONG": "Congenital anomaly",
}
OUTCOMES = {
    "": "–",
    "RECOVERED/RESOLVED": "Recovered or resolved",
    "RECOVERED/RESOLVED WITH SEQUELAE": "Recovered with sequelae",
    "RECOVERING/RESOLVING": "Recovering",
    "NOT RECOVERED/NOT RESOLVED": "Not recovered",
    "FATAL": "Fatal",
    "UNKNOWN": "Unknown",
}
ENDINGS = (
    "COMPLETED",
    "DEATH",
    "SCREEN FAILURE",
    "WITHDRAWAL BY SUBJECT",
    "LOST TO FOLLOW-UP",
    "ADVERSE EVENT",
    "PHYSICIAN DECISION",
    "PROTOCOL VIOLATION",
    "LACK OF EFFICACY",
    "STUDY TERMINATED BY SPONSOR",
)
NOT_SERIOUS = "Recorded as not serious, with a seriousness criterion"
PARTIAL = "Partial onset"
FLAWS = (
    NOT_SERIOUS,
    "Recorded as serious, without a seriousness criterion",
    "Fatal outcome, but the criterion “results in death” is not recorded",
    "Results in death, but the outcome is not recorded as fatal",
    "Severity not recorded",
    "Onset unknown: counted whatever the cut-off",
    "Partial onset that may lie after the cut-off: counted",
    PARTIAL,
    "End before onset",
)
"""What is listed of the events of the pilot and its copies, in the order of printing."""
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]

Cells = tuple[str, ...]


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """A table as it stands; NA and nothing are both nothing."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [{column: "" if text == "NA" else text for column, text in row.items()} for row in csv.DictReader(file)]


class Count:
    """Everything counted by a cut-off: the days of the tables are ISO texts, so those of full days compare as texts."""

    def __init__(self, folder: Path, as_of: date) -> None:
        self.as_of = as_of.isoformat()
        self.dm, self.ds = read(folder, "dm"), read(folder, "ds")
        everything = read(folder, "ae")
        self.everyone = {row["USUBJID"]: row for row in self.dm}
        self.doses = [row for row in read(folder, "ex") if row["EXSTDTC"] <= self.as_of]
        self.first_dose: dict[str, str] = {}
        for row in self.doses:
            self.first_dose[row["USUBJID"]] = min(row["EXSTDTC"], self.first_dose.get(row["USUBJID"], "9999"))
        counted = [row for row in everything if earliest(row) <= self.as_of]
        self.later = len(everything) - len(counted)
        # Sorting keeps the order of the file where subject, onset and term are the same.
        self.events = sorted(counted, key=lambda row: (row["USUBJID"], not row["AESTDTC"], earliest(row), row["AEDECOD"].lower()))
        self.treated = set(self.first_dose)
        concerned = self.treated | {row["USUBJID"] for row in self.events}
        self.people = {key: row for key, row in self.everyone.items() if row["DMDTC"] <= self.as_of or key in concerned}
        self.serious = [row for row in self.events if row["AESER"] == "Y"]
        self.columns = self._columns()

    def _columns(self) -> list[tuple[str, set[str]]]:
        """The columns of the tables: the arms of the treated, all treated, and where there are any, the others and everybody."""
        arms = [(label, {key for key in self.treated if self.arm(key) == label}) for label in ARMS.values()]
        columns = [*((label, members) for label, members in arms if members), ("All treated", self.treated)]
        others = set(self.people) - self.treated
        return [*columns, ("Not treated", others), ("All subjects", set(self.people))] if others else columns

    def on_days(self) -> list[tuple[list[dict[str, str]], str]]:
        """The tables that the cut-off cuts, each with the column of its days."""
        return [(self.events, "AESTDTC"), (self.doses, "EXSTDTC"), (self.ds, "DSSTDTC")]

    def arm(self, key: str) -> str:
        return ARMS[self.everyone[key]["ACTARMCD"]]

    # The first page.

    def figures(self) -> list[str]:
        severe = [row for row in self.events if row["AESEV"] == "SEVERE"]
        return [
            f"{len(self.treated):,} treated subjects, of {len(self.people):,} enrolled",
            f"{len(self.events):,} events, subjects concerned: {subjects(self.events):,}",
            f"{len(severe):,} events of severity Severe or worse, subjects: {subjects(severe):,}",
            f"{len(self.serious):,} serious events as recorded, subjects: {subjects(self.serious):,}",
            f"{len(self.deaths()):,} deaths",
        ]

    def left_out(self) -> str:
        undated = sum(not row["AESTDTC"] for row in self.events)
        return f"Events without an onset: {undated:,}, counted. Events known to begin after the cut-off: {self.later:,}, left out."

    # Enrolment and exposure.

    def enrolment(self) -> list[Cells]:
        lines = []
        for site in sorted({row["SITEID"] for row in self.people.values()}):
            members = {key: row["DMDTC"] for key, row in self.people.items() if row["SITEID"] == site}
            counts = (str(len(members)), str(len(self.treated & set(members))))
            lines.append((site, "Subject", *counts, day(min(members.values())), day(max(members.values()))))
        return lines

    def exposure(self) -> list[Cells]:
        arms = {label: {key for key in self.people if self.arm(key) == label} for label in ARMS.values()}
        # The treatments are always listed; that nobody was screened out is no line.
        lines = [self._exposure(label, members) for label, members in arms.items() if members or label != "Screen Failure"]
        return [*lines, self._exposure("Total", set(self.people))]

    def _exposure(self, label: str, members: set[str]) -> Cells:
        given = [row for row in self.doses if row["USUBJID"] in members]
        counts = (str(len(members)), str(len(self.treated & members)), str(len(given)))
        if not given:
            return (label, *counts, "–", "–", "–")
        doses = sorted({Decimal(row["EXDOSE"]) for row in given})
        amount = f"{doses[0]} mg" if len(doses) == 1 else f"{doses[0]}–{doses[-1]} mg"
        last = [row["EXENDTC"] if row["EXSTDTC"] <= row["EXENDTC"] <= self.as_of else row["EXSTDTC"] for row in given]
        return (label, *counts, amount, day(min(row["EXSTDTC"] for row in given)), day(max(last)))

    def endings(self) -> list[tuple[str, Cells]]:
        ended = [row for row in self.ds if row["DSCAT"] == "DISPOSITION EVENT" and row["DSSTDTC"] <= self.as_of]
        ended = [row for row in ended if row["USUBJID"] in self.people]
        by_code: dict[str, set[str]] = {code: {row["USUBJID"] for row in ended if row["DSDECOD"] == code} for code in ENDINGS}
        lines = [(code.capitalize(), by_code[code]) for code in ENDINGS if by_code[code]]
        lines.append(("No end of study recorded", set(self.people) - {row["USUBJID"] for row in ended}))
        return [(label, tuple(str(len(members & some)) for _, members in self.columns)) for label, some in lines]

    # Events by class and term.

    def shown(self, events: Sequence[dict[str, str]]) -> list[tuple[str, set[str]]]:
        """The columns of a table of events: beside the treated only those who had any."""
        untreated = any(row["USUBJID"] not in self.treated for row in events)
        return [column for column in self.columns if untreated or column[0] not in ("Not treated", "All subjects")]

    def heads(self, columns: Iterable[tuple[str, set[str]]]) -> Cells:
        return tuple(f"{label} n = {len(members):,}" for label, members in columns)

    def by_term(self, events: Sequence[dict[str, str]]) -> list[tuple[bool, str, Cells]]:
        """Lines of (is a term, label, subjects and events of each column)."""
        columns = self.shown(events)
        return [(term, label, tuple(_shares(some, columns))) for term, label, some in _lines(events)]

    def levels(self) -> int:
        return 4 if any(not row["AESEV"] for row in self.events) else 3

    def by_severity(self) -> list[tuple[bool, str, Cells]]:
        """Lines of (is a term, label, subjects at their worst and events, for each severity of each column)."""
        columns, levels = self.shown(self.events), self.levels()
        return [(term, label, tuple(_worst(some, columns, levels))) for term, label, some in _lines(self.events)]

    # One by one.

    def serious_listing(self) -> list[Cells]:
        return [
            (
                row["USUBJID"],
                self.arm(row["USUBJID"]),
                self._term(row),
                row["AESEV"].capitalize() or "–",
                criteria(row),
                self._onset(row),
                row["AEREL"].capitalize() or "–",
                OUTCOMES[row["AEOUT"]],
            )
            for row in self.serious
        ]

    def listing(self) -> list[Cells]:
        return [
            (
                row["USUBJID"],
                self.arm(row["USUBJID"]),
                row["AEBODSYS"].capitalize(),
                self._term(row),
                row["AESEV"].capitalize() or "–",
                "Yes" if row["AESER"] == "Y" else "No",
                self._onset(row),
                day(row["AEENDTC"]) or "–",
                OUTCOMES[row["AEOUT"]],
                row["AEREL"].capitalize() or "–",
            )
            for row in self.events
        ]

    def inconsistencies(self) -> list[tuple[str, list[Cells]]]:
        """Every kind that there is, in the order of printing, with its events."""
        found: defaultdict[str, list[Cells]] = defaultdict(list)
        for row in self.events:
            for said in self._flaws(row):
                found[said].append(
                    (
                        row["USUBJID"],
                        self.arm(row["USUBJID"]),
                        row["AEDECOD"],
                        row["AESEV"].capitalize() or "–",
                        "Yes" if row["AESER"] == "Y" else "No",
                        criteria(row),
                        f"{day(row['AESTDTC']) or 'unknown'} {day(row['AEENDTC'])}".strip(),
                        OUTCOMES[row["AEOUT"]],
                    )
                )
        return [(said, found[said]) for said in FLAWS if said in found]

    def _flaws(self, row: dict[str, str]) -> Iterator[str]:
        criterion = any(row[name] == "Y" for name in CRITERIA)
        partial, straddles = 0 < len(row["AESTDTC"]) < 10, bool(row["AESTDTC"]) and earliest(row) <= self.as_of < latest(row)
        holds = (
            row["AESER"] == "N" and criterion,
            row["AESER"] == "Y" and not criterion,
            row["AEOUT"] == "FATAL" and row["AESDTH"] != "Y",
            row["AEOUT"] != "FATAL" and row["AESDTH"] == "Y",
            not row["AESEV"],
            not row["AESTDTC"],
            partial and straddles,
            partial and not straddles,
            bool(row["AESTDTC"] and row["AEENDTC"]) and row["AEENDTC"] < earliest(row),
        )
        return (said for said, held in zip(FLAWS, holds, strict=True) if held)

    def _term(self, row: dict[str, str]) -> str:
        return f"{row['AEDECOD']} *" if any(self._flaws(row)) else row["AEDECOD"]

    def _onset(self, row: dict[str, str]) -> str:
        if not row["AESTDTC"]:
            return "unknown"
        return day(row["AESTDTC"]) + self._study_day(row["USUBJID"], row["AESTDTC"])

    def _study_day(self, key: str, on: str) -> str:
        if len(on) < 10 or key not in self.first_dose:
            return ""
        days = (date.fromisoformat(on) - date.fromisoformat(self.first_dose[key])).days
        return f" (D{days + 1 if days >= 0 else days})"

    def deaths(self) -> list[Cells]:
        """Everybody of whom something tells of a death, unless all that has a day has a later one; the first that counts gives the day."""
        lines = []
        for key, person in sorted(self.people.items()):
            told = [("Date of death", person["DTHDTC"])] if person["DTHDTC"] else []
            told += [("Death recorded", "")] if person["DTHFL"] == "Y" and not told else []
            told += [("End of study by death", row["DSSTDTC"]) for row in self.ds if (row["USUBJID"], row["DSDECOD"]) == (key, "DEATH")]
            for row in self.events:
                if row["USUBJID"] == key:
                    told += [("Adverse event that results in death", row["AEENDTC"])] if row["AESDTH"] == "Y" else []
                    told += [("Adverse event with a fatal outcome", row["AEENDTC"])] if row["AEOUT"] == "FATAL" else []
            days = [on for _, on in told if on]
            if not told or (days and min(days) > self.as_of):
                continue
            known = [(said, on) for said, on in told if on <= self.as_of]
            on = next((on for _, on in known if on), "")
            when = day(on) + self._study_day(key, on) if on else "unknown"
            lines.append((key, person["SITEID"], self.arm(key), when, " ".join(dict.fromkeys(said for said, _ in known))))
        return lines


def _lines(events: Sequence[dict[str, str]]) -> Iterator[tuple[bool, str, list[dict[str, str]]]]:
    """All events, then each class with its terms, in the order of the alphabet."""
    yield False, "Any event", list(events)
    for soc in sorted({row["AEBODSYS"] for row in events}):
        of_class = [row for row in events if row["AEBODSYS"] == soc]
        yield False, soc.capitalize(), of_class
        for term in sorted({row["AEDECOD"] for row in of_class}):
            yield True, term, [row for row in of_class if row["AEDECOD"] == term]


def _shares(events: Sequence[dict[str, str]], columns: Iterable[tuple[str, set[str]]]) -> Iterator[str]:
    for _, members in columns:
        some = [row for row in events if row["USUBJID"] in members]
        share = percent(subjects(some), len(members)) if some else ""
        yield f"{subjects(some):,} ({share}%)" if some else "0"
        yield f"{len(some):,}"


def _worst(events: Sequence[dict[str, str]], columns: Iterable[tuple[str, set[str]]], levels: int) -> Iterator[str]:
    for _, members in columns:
        severities: defaultdict[str, list[str]] = defaultdict(list)
        for row in events:
            if row["USUBJID"] in members:
                severities[row["USUBJID"]].append(row["AESEV"])
        happened = Counter(one for some in severities.values() for one in some)
        # A severity that was not recorded is printed last and is worse than none.
        at_worst = Counter(max(some, key=("", *SEVERITIES).index) for some in severities.values())
        for level in (*SEVERITIES, "")[:levels]:
            yield f"{at_worst[level]:,}/{happened[level]:,}" if happened[level] else "0"


def subjects(events: Iterable[dict[str, str]]) -> int:
    return len({row["USUBJID"] for row in events})


def criteria(row: dict[str, str]) -> str:
    return ", ".join(label for name, label in CRITERIA.items() if row[name] == "Y") or "–"


def earliest(row: dict[str, str]) -> str:
    """The first day that the onset may have been on; an unknown one is before everything."""
    return (row["AESTDTC"] + "-01-01")[:10] if row["AESTDTC"] else ""


def latest(row: dict[str, str]) -> str:
    """The last day that the onset may have been on."""
    year, month, number = (*row["AESTDTC"].split("-"), "", "")[:3]
    return row["AESTDTC"] if number else f"{year}-{month or 12}-{monthrange(int(year), int(month or 12))[1]}"


def percent(part: int, whole: int) -> str:
    return str((Decimal(100 * part) / whole).quantize(Decimal("0.1"), ROUND_HALF_UP))


def day(text: str) -> str:
    """As British English prints it; of a partial day what is known, and of none nothing."""
    year, month, number = (*text.split("-"), "", "")[:3]
    if not month:
        return year
    name = MONTHS[int(month) - 1]
    return f"{int(number)} {'Sept' if name == 'September' else name[:3]} {year}" if number else f"{name} {year}"
