"""Mail: a text of `templates/mail` becomes a letter, and a letter is handed to a mail server or put into a folder."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trialcrf.external.archive import keep
from trialcrf.external.language import Language

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "mail"
PATIENCE = 20.0
"""Seconds to wait for a mail server at each step: well within the lease of a claimed mail."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail, written out. `message_id` is the same whenever the same mail is written again, so a server can drop a repeat.

    `stop_url` is where one POST ends mails of this sort: mail programs make a button of it (RFC 2369, RFC 8058).
    """

    to: str
    subject: str
    body: str
    message_id: str
    stop_url: str = ""


class NotTaken(Exception):
    """The mail was certainly not taken over: nothing is lost by handing it over again."""


class Refused(NotTaken):
    """The server will not take this mail, now or later (RFC 5321 section 4.2.1): to try again is in vain until somebody mends it."""


class Unsure(Exception):
    """The mail was handed over and no answer came: it may or may not arrive, so only a person may send it again."""


class Post(Protocol):
    """Somewhere to hand letters to."""

    def send(self, letter: Letter, at: datetime) -> str:
        """Hand one letter over; returns what was replied. Raises NotTaken or Unsure."""


def write(kind: str, language: str, to: str, message_id: str, values: Mapping[str, object]) -> Letter:
    """The letter of a kind (a file of `templates/mail`) in one language: the first line is the subject, the rest the body.

    A value `stop` is the address that stops mails of this sort: it becomes `stop_url` too.

    Raises jinja2.TemplateError where a value is missing.
    """
    text = _environment(language).get_template(f"{kind}.txt").render(values)
    first, _, body = text.partition("\n")
    subject = " ".join(first.removeprefix("Subject:").split())
    return Letter(to, subject, body.strip() + "\n", message_id, str(values.get("stop", "")))


def message_id(key: str, base_url: str) -> str:
    """A Message-ID that tells nothing and is always the same for one key of the outbox."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{urlsplit(base_url).hostname or 'localhost'}>"


def post(smtp_url: str | None, folder: Path, sender: str, unencrypted: bool) -> Post:
    """The post of this installation: a mail server where one is configured, else a folder."""
    return Server(smtp_url, sender, unencrypted=unencrypted) if smtp_url else Folder(folder, sender)


@lru_cache
def _environment(language: str) -> Environment:
    words = Language(language)
    # Plain text, so nothing is escaped; a name that is not given is an error, never a gap in a sentence.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=False, extensions=["jinja2.ext.i18n"]
    )
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    return environment


class _Policy(EmailPolicy):
    """As `email.policy.SMTP`, but an address in a header stays whole: the library would encode one longer than a line as words."""

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}" if name.startswith("List-") else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii") if name.startswith("List-") else super().fold_binary(name, value)


_POLICY = _Policy(linesep="\r\n")


def _message(letter: Letter, sender: str, at: datetime) -> EmailMessage:
    """The letter as an Internet message. Raises NotTaken where a header could not be written: a line break in one is an attack."""
    message = EmailMessage(policy=_POLICY)
    try:
        message["From"] = sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = at
        message["Message-ID"] = letter.message_id
        # Programs that answer mails by themselves (out of office) leave such a one alone (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        if letter.stop_url:
            if not (letter.stop_url.isascii() and letter.stop_url.isprintable()) or set(letter.stop_url) & set(" <>,"):
                raise ValueError("the address that stops these mails is none")
            message["List-Unsubscribe"] = f"<{letter.stop_url}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(letter.body, cte="quoted-printable")
        if len(message["To"].addresses) != 1:
            raise ValueError("a letter goes to one address")
    except (ValueError, UnicodeError) as error:
        raise NotTaken(f"the mail cannot be written: {error}") from error
    return message


class Folder:
    """Writes every mail as a file `<id>.eml`, whole or not at all. The same mail twice is the same file."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder, self._sender = folder, sender

    def send(self, letter: Letter, at: datetime) -> str:
        message = _message(letter, self._sender, at)
        name = letter.message_id.strip("<>").partition("@")[0]
        try:
            # Only for the owner: an invitation opens an account.
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            keep(self._folder / f"{name}.eml", message.as_bytes(), mode=0o600)
        except OSError as error:
            raise NotTaken(f"the mail folder cannot be written: {error.strerror}") from error
        return f"{name}.eml"


class Server:
    """Hands mails to a mail server, `smtp://` or `smtps://`. One whose certificate does not hold gets nothing, nor does one without
    encryption, but on this machine itself or where the house says so (`unencrypted`): a password does not travel in the open even then.

    `patience` is how many seconds it waits for the server at each step.
    """

    def __init__(self, url: str, sender: str, patience: float = PATIENCE, unencrypted: bool = False) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if self._tls else 25)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender, self._patience, self._unencrypted = sender, patience, unencrypted

    def send(self, letter: Letter, at: datetime) -> str:
        message = _message(letter, self._sender, at)
        with self._connected() as server:
            try:
                self._address(server, letter)
            except (OSError, smtplib.SMTPException, ValueError) as error:
                raise NotTaken(_said(error)) from error
            try:
                reply = server.data(message.as_bytes())
            except smtplib.SMTPDataError as error:
                raise _refusal(error.smtp_code, _said(error)) from error
            except (OSError, smtplib.SMTPException) as error:
                # From here on the server may have the whole text: its silence is no refusal.
                raise Unsure(_said(error)) from error
            if reply[0] != 250:
                raise _refusal(reply[0], _text(*reply))
            return _text(*reply)

    def _address(self, server: smtplib.SMTP, letter: Letter) -> None:
        accepted = server.mail(self._sender)
        if accepted[0] != 250:
            # Of this program and not of the recipient: whoever runs it mends it, and every mail goes after all.
            raise NotTaken(_text(*accepted))
        accepted = server.rcpt(letter.to)
        if accepted[0] not in (250, 251):
            raise _refusal(accepted[0], _text(*accepted))

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server: smtplib.SMTP | None = None
        try:
            server = self._open()
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(_said(error)) from error
        try:
            yield server
        finally:
            # What was said is said: a connection that ends badly changes nothing any more.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _open(self) -> smtplib.SMTP:
        if self._tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=self._patience, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=self._patience)
        try:
            server.ehlo_or_helo_if_needed()
            # A mail server on this machine often has a certificate of its own making, and nobody listens on the way to it.
            secure = self._tls or _is_loopback(self._host)
            if not secure and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
                secure = True
            if not secure and (self._user or not self._unencrypted):
                raise smtplib.SMTPException("the mail server offers no encryption: nothing is sent")
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _said(error: Exception) -> str:
    """What the server or the system said, in one line; never the password, which no reply repeats."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _text(error.smtp_code, error.smtp_error)
    return " ".join(str(error).split()) or type(error).__name__


def _text(code: int, said: bytes | str) -> str:
    """A reply in one line."""
    return " ".join(f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}".split())


def _refusal(code: int, said: str) -> NotTaken:
    return Refused(said) if 500 <= code < 600 else NotTaken(said)
