"""What an ICSR in ICH E2B(R3) needs: the coding of the event, the identifiers of the exchange, and the list of what is still missing.

Elements after the clinical reference, E.9, and the ICH implementation guide. The schema is not ours to ship: whether a file conforms to
it is known only where somebody validated it. The message itself is `core.packs.e2b_message`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trialcrf.core.definition.model import Study
from trialcrf.core.facts import SubjectRecord
from trialcrf.core.packs.dossier import dossier
from trialcrf.core.safety.case import Case, Kind, Version, facts_of, reportable
from trialcrf.core.safety.event import AdverseEvent
from trialcrf.core.wording import N_, Message

SENDER_TYPES: Mapping[str, str] = {
    "1": N_("Pharmaceutical company"),
    "3": N_("Health professional"),
    "6": N_("Other (a university, a hospital)"),
}
"""What a sponsor can be by C.3.1."""

CTCAE_MEDDRA: Mapping[str, str] = {"5.0": "20.1", "6.0": "28.0"}
"""The MedDRA version whose codes a version of the CTCAE carries (clinical reference, E.1)."""

OUTCOMES: Mapping[str, str] = {
    "RECOVERED/RESOLVED": "1",
    "RECOVERING/RESOLVING": "2",
    "NOT RECOVERED/NOT RESOLVED": "3",
    "RECOVERED/RESOLVED WITH SEQUELAE": "4",
    "FATAL": "5",
    "UNKNOWN": "0",
}
"""The outcomes of E.i.7 by their SDTM names."""


@dataclass(frozen=True, slots=True)
class Coding:
    """The lowest level term of the event and the MedDRA version that it is of."""

    llt: str
    version: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """What only the sponsor knows of a transmission: the identifiers agreed with the receiver, its type, the reporter's country."""

    sender: str
    receiver: str
    sender_type: str
    country: str


class Incomplete(ValueError):
    """Something mandatory is missing, so there is no file; `missing` says what."""

    def __init__(self, missing: tuple[Message, ...]) -> None:
        super().__init__("incomplete")
        self.missing = missing


def coding_of(ctcae: str, code: str) -> Coding | None:
    """The coding that a CTCAE term brings; None for a version whose MedDRA version is not known, or a term without its code."""
    wanted = ctcae if "." in ctcae else f"{ctcae}.0"
    return Coding(code, CTCAE_MEDDRA[wanted]) if code and wanted in CTCAE_MEDDRA else None


def missing(
    study: Study,
    record: SubjectRecord,
    event: AdverseEvent,
    case: Case,
    version: Version | None,
    coding: Coding | None,
    exchange: Exchange,
) -> tuple[Message, ...]:
    """What is mandatory and not there, with the number of its element; none: a file can be written."""
    told = dossier(study, record, event)
    treatment, settings = told.before(event.onset), study.safety
    assessed = case.latest(Kind.ASSESSED)
    related = reportable(facts_of(record.subject_type, told.told, settings), assessed)
    coded = coding is not None and len(coding.llt) == 8 and coding.llt.isdigit() and bool(coding.version)
    country = exchange.country
    wanted = (
        (exchange.sender, N_("N.1.3: the identifier of the sender.")),
        (exchange.receiver, N_("N.1.4: the identifier of the receiver.")),
        (version, N_("C.1.2: no version of the case is frozen.")),
        (
            assessed and related is not None and assessed.content.get("expected") is not None,
            N_("C.1.7: causality or expectedness is not assessed."),
        ),
        (
            len(country) == 2 and country.isascii() and country.isalpha() and country.isupper(),
            N_("C.2.r.3: the country of the reporter, two capital letters."),
        ),
        (exchange.sender_type in SENDER_TYPES, N_("C.3.1: the type of the sender.")),
        (settings and settings.sponsor and settings.sponsor.name, N_("C.3.2: the study does not state its sponsor.")),
        (settings and settings.sponsor and settings.sponsor.country, N_("C.1.1: the study does not state the country of its sponsor.")),
        (event.verbatim, N_("E.i.1.1: the event in the words of the site.")),
        (coded, N_("E.i.2.1: the event has no MedDRA code of eight digits with its version.")),
        (told.told.get("AEOUT") in OUTCOMES or not told.told.get("AEOUT"), N_("E.i.7: the outcome is none that the standard knows.")),
        (event.criteria, N_("E.i.3.2: no seriousness criterion is recorded.")),
        (treatment and treatment.product, N_("G.k.1: no administration of the product is recorded.")),
        (settings and settings.product, N_("G.k.2.2: the study does not name its product.")),
    )
    return tuple(Message(said) for held, said in wanted if not held)
