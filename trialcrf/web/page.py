"""What every page shows around its content: who is signed in, where, in which language, and the ways onward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from trialcrf.core.glossary import Term
from trialcrf.core.wording import Message, Sayable


@dataclass(frozen=True, slots=True)
class NavLink:
    """One line of the side navigation; `count_means` says what the number counts to those who only hear it."""

    label: Message
    url: str
    current: bool = False
    count: int | None = None
    count_means: Message | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class NavGroup:
    """Links that belong together; the first group, of what is needed every day, bears no name."""

    label: Message | None
    links: tuple[NavLink, ...]


@dataclass(frozen=True, slots=True)
class Crumb:
    label: Sayable | str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame of a page. `theme` is auto, light or dark, `density` comfortable or compact; `languages` are code -> its own name.

    No `person`: nobody is signed in.
    """

    language: str = "en"
    theme: str = "auto"
    density: str = "comfortable"
    languages: Mapping[str, str] = field(default_factory=lambda: {"fr": "Français", "en": "English"})
    token: str = ""
    save_token: str = ""  # made anew for every page that is drawn: a page that is sent twice is saved once
    stood: Message | None = None  # when the page was drawn, for whoever prints it
    here: str = "/"
    home_url: str = "/"
    study: str = ""
    study_title: str = ""
    study_label: str = ""
    version: int | None = None
    site: str = ""
    person: str = ""
    person_id: int = 0
    username: str = ""
    role: Message | None = None
    nav: tuple[NavGroup, ...] = ()
    language_url: str = ""
    account_url: str = ""
    sign_out_url: str = ""
    at: tuple[Crumb, ...] = ()  # where the page is, if it does not say so itself
    words: tuple[Term, ...] = ()  # those that the page takes for granted
    words_url: str = ""
    guides_url: str = ""
    search_url: str = ""  # none where the page is the search itself
    banner: Message | None = None
    banner_url: str = ""
    stopped: Message | None = None  # since when nothing is saved, because the disk or the database failed
    archive: Message | None = None  # what says that this is an archive; `tongues` are then the addresses of the page in each language
    hospital: str = ""
    keys_url: str = ""  # where the shortcuts are listed
    single_keys: bool = True
    enter_next: bool = False
    tongues: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter as a link."""

    label: Sayable | str
    url: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One visit in the matrix. `state` is a core.schedule.State; `detail` the second line; forms complete of all, apart from the state."""

    state: str
    word: Message
    url: str
    visit: str
    subject: str
    detail: Message | None = None
    why: Sayable | None = None
    complete: int = 0
    forms: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class MatrixRow:
    subject: str
    url: str
    cells: tuple[Cell | None, ...]
    complete: int = 0
    forms: int = 0
    ended: Sayable | None = None


@dataclass(frozen=True, slots=True)
class Pages:
    """Where a long list stands: links by number are built by the view."""

    number: int
    last: int
    first_row: int
    last_row: int
    total: int
    previous_url: str = ""
    next_url: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A form of the visit: `state` is empty, started, complete or query."""

    label: str
    url: str
    state: str
    detail: Sayable
    current: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """One line of a history or thread; `now` and `was` are texts for reading, empty where there was none.

    `kind` is change, refusal, query, comment or form; `said` what somebody wrote; `link` a query that belongs to it, with its address;
    `also` what was settled with it.
    """

    what: Sayable
    by: str
    role: Sayable | str
    at: datetime
    now: tuple[Sayable | str, ...] = ()
    was: tuple[Sayable | str, ...] = ()
    why: Sayable | str = ""
    kind: str = ""
    said: Sayable | str = ""
    link: Sayable | str = ""
    link_url: str = ""
    also: tuple[Sayable, ...] = ()
