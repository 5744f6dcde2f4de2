"""Loading a dictionary that was read from files: in which version, and never over another one."""

from __future__ import annotations

import re

from trialcrf.actions import Impossible
from trialcrf.core.dictionary import KINDS
from trialcrf.core.dictionary_load import Source
from trialcrf.core.wording import N_, Message
from trialcrf.store import dictionaries
from trialcrf.store.dictionaries import Dictionary, OtherContent
from trialcrf.store.transaction import Transaction

_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")


def load(tx: Transaction, source: Source, version: str = "") -> tuple[Dictionary, bool]:
    """The dictionary, and whether it is new: the same terms in the same version are left alone.

    The version is the one asked for, else the one that the files tell. Raises Impossible where neither is there, where they contradict
    each other, or where this version is loaded with other terms.
    """
    kind = KINDS[source.kind]
    named = version or source.version
    if not named:
        raise Impossible(Message(N_("The file does not tell which version it is: say it with --version.")))
    if not _VERSION.fullmatch(named):
        raise Impossible(Message(N_("“%(version)s” is no version: write for example 5.0."), {"version": named}))
    if source.version and source.version != named:
        said = N_("The file says that it is version %(told)s, and version %(asked)s was asked for.")
        raise Impossible(Message(said, {"told": source.version, "asked": named}))
    try:
        return dictionaries.load(tx, source.kind, named, source.name[:200], source.sha256, source.terms)
    except OtherContent as other:
        said = N_("%(kind)s %(version)s is loaded already, with other terms, from %(file)s: events are coded by it, so it stays as it is.")
        raise Impossible(Message(said, {"kind": kind, "version": named, "file": other.known.source})) from None
