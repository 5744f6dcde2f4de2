"""Codelists: the codes that may be answered, and what people read for each."""

from __future__ import annotations

from dataclasses import dataclass

from trialcrf.core.wording import Words


@dataclass(frozen=True, slots=True)
class CodeListItem:
    code: str
    label: Words


@dataclass(frozen=True, slots=True)
class CodeList:
    oid: str
    items: tuple[CodeListItem, ...]

    def label_of(self, code: str) -> Words | None:
        return next((item.label for item in self.items if item.code == code), None)
