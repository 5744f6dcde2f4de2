"""A real mail server on this machine, for the tests of mails: it keeps what it is given, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ssl import SSLContext

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Keeps every mail it took over.

    `refuse_at` names a command that it answers with an error, `refusal` is that answer; `hang_up` breaks off after the text; `slow` is
    how many seconds it thinks about the command `slow_at`; `on_taken` is called with every mail that it took, before it says so.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self.refuse_at, self.refusal = "", ""
        self.hang_up = False
        self.slow, self.slow_at = 0.0, "DATA"
        self.on_taken: Callable[[], object] | None = None
        self.port = 0

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        await self._think("RCPT")
        if self.refuse_at == "RCPT":
            return self.refusal or "450 the mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_at == "DATA":
            return self.refusal or "452 no room"
        message = message_from_bytes(envelope.content or b"", policy=default)
        assert isinstance(message, EmailMessage)
        self.taken.append((envelope.rcpt_tos[0], message))
        if self.on_taken is not None:
            self.on_taken()
        await self._think("DATA")
        if self.hang_up:
            assert server.transport is not None
            server.transport.abort()
        return f"250 taken as {len(self.taken)}"

    async def _think(self, step: str) -> None:
        if self.slow and self.slow_at == step:
            await asyncio.sleep(self.slow)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


@contextmanager
def mailbox(tls: SSLContext | None = None, starttls: SSLContext | None = None) -> Iterator[Mailbox]:
    """One that speaks TLS from the first word, or offers it, or neither."""
    kept = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        kept.port = probe.getsockname()[1]
    server = Controller(kept, hostname="127.0.0.1", port=kept.port, ssl_context=tls, tls_context=starttls)
    server.start()
    try:
        yield kept
    finally:
        server.stop()
