"""The environment as settings are read from it: every reader answers with its default where it has to complain, and nothing is hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

Network = IPv4Network | IPv6Network

_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}

_KNOWN_PASSWORDS = frozenset({"", "admin", "changeme", "guest", "password", "postgres", "root", "test", "trialcrf"})
"""Of services: those that products come with, and the word of the examples. The user's own name is another."""

_DIALECTS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


class Given:
    """The environment, and what was found wrong with it. Each reader answers with the default where it must complain."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def refuse(self, name: str, why: str) -> None:
        self.problems.append(f"{name}: {why}")

    def refuse_known(self, *names: str) -> None:
        """Addresses with a password that everybody tries first: one that a product comes with, or that stands in an example."""
        for name in names:
            parts = split_url(self.text(name, ""))
            if parts is None or parts.password is None:
                continue
            if unquote(parts.password).lower() in {*_KNOWN_PASSWORDS, unquote(parts.username or "").lower()}:
                self.refuse(name, "holds a password that everybody tries first: choose another")

    def text(self, name: str, default: str) -> str:
        return self._environ.get(name, "").strip() or default

    def folder(self, name: str, default: Path) -> Path:
        path = Path(self.text(name, str(default))).expanduser().absolute()
        if path.exists() and not path.is_dir():
            self.refuse(name, f"{str(path)!r} is not a folder")
        return path

    def file(self, name: str) -> Path | None:
        text = self.text(name, "")
        path = Path(text).expanduser().absolute() if text else None
        if path is not None and not path.is_file():
            self.refuse(name, f"{str(path)!r} is not a file")
        return path

    def size(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
        if unit in _UNITS and number.isascii() and number.isdecimal() and len(number) <= 15:
            return int(number) * _UNITS[unit]
        self.refuse(name, f"{text!r} is not a number of bytes such as 1G or 500M")
        return default

    def owner_url(self, name: str) -> str | None:
        found = self.database_url(name, "") if self.text(name, "") else ""
        if found.startswith("sqlite"):
            self.refuse(name, "is for PostgreSQL: a SQLite file has no owner but that of the file")
        return found or None

    def moment(self, name: str) -> datetime | None:
        text = self.text(name, "")
        try:
            read = datetime.fromisoformat(text) if text else None
        except ValueError:
            read = None
        if text and (read is None or read.tzinfo is None):
            self.refuse(name, f"{text!r} is no moment such as 2026-11-21T14:05:00+00:00")
            return None
        return read

    def recipients(self, name: str) -> tuple[str, ...]:
        found = tuple(self.text(name, "").replace(",", " ").split())
        for one in found:
            if one.startswith("AGE-SECRET-KEY-"):  # It is not quoted back: it opens every backup.
                self.refuse(name, "is a private key; only public ones, which begin with age1, belong here")
            elif re.fullmatch(r"age1[0-9a-z]{58}", one) is None:
                self.refuse(name, f"{one!r} is no public key of age: age1 and 58 signs")
        return found

    def counts(self, name: str, default: tuple[int, int, int]) -> tuple[int, int, int]:
        text = self.text(name, ",".join(str(one) for one in default))
        found = [int(part) for part in text.split(",") if re.fullmatch(r" *[0-9]{1,4} *", part)]
        if len(found) != 3 or text.count(",") != 2 or found[0] < 1:
            self.refuse(name, f"{text!r} is not three counts such as 14,8,12: nights, weeks and months, of nights at least 1")
            return default
        return (found[0], found[1], found[2])

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= 65535:
            return int(text)
        self.refuse(name, f"{text!r} is not a port number from 1 to 65535")
        return default

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if text.isascii() and text.isdecimal() and least <= int(text[:6]) <= most:
            return int(text)
        self.refuse(name, f"{text!r} is not a number from {least} to {most}")
        return default

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        text = self.text(name, "").lower()
        if text and text not in choices:
            self.refuse(name, f"{text!r} is none of {', '.join(choices)}")
        return text if text in choices else None

    def some_of(self, name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(self.text(name, "").lower().replace(",", " ").split())
        for text in found:
            if text not in choices:
                self.refuse(name, f"{text!r} is none of {', '.join(choices)}")
        return found

    def networks(self, name: str) -> tuple[Network, ...]:
        found = []
        for text in self.text(name, "").replace(",", " ").split():
            try:
                found.append(ip_network(text))
            except ValueError:
                self.refuse(name, f"{text!r} is no address or network such as 10.0.5.7 or 10.0.5.0/24")
        return tuple(found)

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name, "yes" if default else "no").lower()
        if text not in _YES | _NO:
            self.refuse(name, f"{text!r} is neither yes nor no")
            return default
        return text in _YES

    def address(self, name: str, default: str) -> str:
        text = self.text(name, default)
        before, _, after = text.partition("@")
        if text and (not before or not after or "@" in after or any(sign.isspace() for sign in text)):
            self.refuse(name, f"{text!r} is not a mail address")
        return text

    def base_url(self, name: str, default: str) -> str:
        text = self.text(name, default).rstrip("/")
        if not text:
            return text
        parts = split_url(text)
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            self.refuse(name, f"{text!r} is not an address such as https://crf.example.org")
            return default
        return text

    def issuer(self, name: str) -> str:
        """An issuer is compared letter by letter, so it is kept as it is written. Without TLS anybody on the way could be the hospital."""
        text = self.text(name, "")
        parts = split_url(text) if text else None
        if not text:
            return ""
        if parts is None or not parts.hostname or not is_safe(text) or parts.query or parts.fragment:
            self.refuse(name, f"{text!r} is not an address such as https://login.example.org")
            return ""
        return text

    def secret(self, name: str) -> str:
        """A secret, or the content of the file that NAME_FILE names. It is never quoted back."""
        text, path = self.text(name, ""), self.file(f"{name}_FILE")
        if text and path is not None:
            self.refuse(name, f"is given, and {name}_FILE as well: one of them is meant")
        try:
            return path.read_text(encoding="utf-8").strip() if path is not None else text
        except (OSError, UnicodeDecodeError):
            self.refuse(f"{name}_FILE", "cannot be read")
            return ""

    def database_url(self, name: str, default: str) -> str:
        # The values of this and the next reader are never quoted back: they may hold a password.
        text = self.text(name, default)
        if not text:
            return text
        scheme, colon, rest = text.partition("://")
        if not colon or scheme not in _DIALECTS or split_url(text) is None:
            self.refuse(name, "is not sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
            return default
        if scheme == "sqlite" and (not rest.startswith("/") or rest.strip("/") in {"", ":memory:"}):
            self.refuse(name, "must name a SQLite file, as in sqlite:///PATH: several processes share the database")
            return default
        return f"{_DIALECTS[scheme]}://{rest}"

    def smtp_url(self, name: str) -> str | None:
        text = self.text(name, "")
        if not text:
            return None
        parts = split_url(text)
        if parts is None or parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            self.refuse(name, "is not smtp://HOST:PORT or smtps://USER:PASSWORD@HOST:PORT")
            return None
        return text


def split_url(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Read here because a port that is no number only fails when it is asked for.
    except ValueError:
        return None
    return parts


def is_safe(url: str) -> bool:
    """Whether nobody on the way can listen to what is asked of a web server, or answer in its place."""
    parts = split_url(url)
    return parts is not None and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
