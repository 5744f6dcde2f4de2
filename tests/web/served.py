"""The WSGI application behind a real HTTP server on this machine, asked by a client that keeps no cookie by itself."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

from flask import Flask

Ask = Callable[..., tuple[int, Any, str]]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """The tests say themselves what went wrong."""


@contextmanager
def served(app: Flask) -> Iterator[Ask]:
    """`ask(method, path, form, cookie=...)` answers (status, headers, text)."""
    server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
    serving = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    serving.start()

    def ask(method: str, path: str, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, Any, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        sent = urlencode(form) if form is not None else None
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        connection.request(method, path, sent, {**kind, **({"Cookie": cookie} if cookie else {})})
        answer = connection.getresponse()
        told = answer.status, answer.headers, answer.read().decode()
        connection.close()
        return told

    try:
        yield ask
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
