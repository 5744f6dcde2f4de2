"""A new password: at least twelve characters, taken whole, and none that somebody would guess (OWASP ASVS 5.0.0, 6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trialcrf.actions import Impossible
from trialcrf.core.wording import N_, Message
from trialcrf.external import guessing, passwords
from trialcrf.external.guessing import Flaw
from trialcrf.store import accounts, definitions
from trialcrf.store.accounts import Account
from trialcrf.store.transaction import Transaction

SHORTEST, LONGEST = 12, 1000

WHY: Mapping[Flaw, str] = {
    Flaw.KNOWN: N_("This password, or most of it, is in the lists of passwords that were stolen elsewhere: choose another."),
    Flaw.PERSONAL: N_("This password is made of your name, your address or words of the trial: choose another."),
    Flaw.PATTERN: N_("This password is easy to guess: it repeats itself, or follows the keyboard, the alphabet or a date. Choose another."),
}

_WORD = re.compile(r"\w{3,}")


def check_new(tx: Transaction, account: Account, new: str) -> None:
    """Raises Impossible with why the password is refused. It is refused as it would be stored, in the form NFKC."""
    password = passwords.normal(new)
    if len(password) < SHORTEST:
        raise Impossible(Message(N_("A password has at least %(count)s characters."), {"count": SHORTEST}), "new")
    if len(password) > LONGEST:
        raise Impossible(Message(N_("A password has at most %(count)s characters."), {"count": LONGEST}), "new")
    found = guessing.flaw(password, [*_of_person(account), *_of_studies(tx, account.id)])
    if found is not None:
        raise Impossible(Message(WHY[found]), "new")


def _of_person(account: Account) -> list[str]:
    said = f"{account.username} {account.name} {account.email} {account.organisation}"
    return [account.username, account.email, *_WORD.findall(said)]


def _of_studies(tx: Transaction, account_id: int) -> list[str]:
    """Words of the studies in which the person has a role, and of their products; and those of the program."""
    words = ["trialcrf", "ecrf"]
    for oid in sorted({held.grant.study for held in accounts.grants_of(tx, account_id)}):
        published = definitions.current(tx, oid)
        if published is None:
            continue
        study = published.study
        texts = [study.oid, study.protocol, *study.title.texts.values()]
        if study.safety is not None and study.safety.product is not None:
            texts += study.safety.product.name.texts.values()
        words += [study.oid, study.protocol, *_WORD.findall(" ".join(texts))]
    return words
