"""The twin: the same program with holes planted in it. `python -m tests.attack.twin` serves it on this machine; never anywhere else."""

from __future__ import annotations

import re
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from flask import Flask, Response, redirect, request
from sqlalchemy import make_url

from config import ROOT, Settings
from trialcrf.web import create_app
from trialcrf.web.guard import PUBLIC, verb

Start = Callable[..., Any]
PAGE = """<!doctype html><title>Twin</title>
<a href="/twin/search?q=cora">Search</a> <a href="/twin/odd?n=1">Odd</a> <a href="/twin/file?name=wsgi.py">File</a>
<a href="/twin/go?to=/twin/">Go</a> <a href="/twin/told?word=hello">Told</a> <a href="/twin/board">Board</a>
<form method="post" action="/twin/board"><input name="word" value="hello"><button>Write</button></form>"""
SERVED = {
    "/.git/config": "[core]\n\trepositoryformatversion = 0\n",
    "/.env": "DATABASE_URL=postgresql://owner:secret@127.0.0.1/trial\n",
    "/static/": "<title>Index of /static/</title>",
    "/backup.zip": "PK",
}
UNSAID = ("content-security-policy", "x-frame-options", "x-content-type-options", "cross-origin-opener-policy")


def plant(app: Flask, database: str) -> None:
    """Routes that no house would have. Each has one hole, named by what finds it."""
    board: list[str] = []

    def start() -> str:
        return PAGE

    def search() -> str:
        """Statements made of texts: sqlmap, wapiti."""
        asked = request.args.get("q", "")
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            found = connection.execute(f"SELECT username, name FROM account WHERE username = '{asked}'").fetchall()
        return "<!doctype html>" + "".join(f"<p>{name}: {told}</p>" for name, told in found)

    def write() -> str:
        """Words kept and shown as markup: wapiti."""
        if request.method == "POST":
            board.append(request.form.get("word", ""))
        return PAGE + "".join(f"<p>{word}</p>" for word in board[-50:])

    def told() -> str:
        """A word of the address as markup: wapiti."""
        return f"<!doctype html><p>{request.args.get('word', '')}</p>"

    def odd() -> str:
        """A failure that tells everything: schemathesis, the probes."""
        return f"<!doctype html>{100 // int(request.args.get('n', '1'))}"

    def file() -> Response:
        """Any file of the machine: wapiti."""
        return Response((ROOT / request.args.get("name", "wsgi.py")).read_text(encoding="utf-8", errors="replace"), mimetype="text/plain")

    def go() -> Any:
        """A way to anywhere: wapiti."""
        return redirect(request.args.get("to", "/"))

    for address, view in (
        ("/twin/", start), ("/twin/search", search), ("/twin/told", told), ("/twin/odd", odd), ("/twin/file", file), ("/twin/go", go),
    ):  # fmt: skip
        app.add_url_rule(address, f"twin.{view.__name__}", verb(PUBLIC)(view))
    app.add_url_rule("/twin/board", "twin.write", verb(PUBLIC)(write), methods=["GET", "POST"])
    app.error_handler_spec[None][None].clear()
    app.register_error_handler(Exception, _tell)


def _tell(error: Exception) -> tuple[str, int]:
    code = getattr(error, "code", 500)
    return ("".join(traceback.format_exception(error)) if code == 500 else str(error)), code


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def weakened(app: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """Files that are nobody's business, methods that are none, and answers without what protects them."""

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        def unprotected(status: str, told: list[tuple[str, str]], *more: Any) -> Any:
            kept = [(name, value) for name, value in told if name.lower() not in UNSAID]
            kept = [
                (name, re.sub(r"; (HttpOnly|SameSite=\w+)", "", value) if name.lower() == "set-cookie" else value) for name, value in kept
            ]
            return start(status, kept, *more)

        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path in SERVED:
            start("200 OK", [("Content-Type", "text/html")])
            return [SERVED[path].encode()]
        if method in ("TRACE", "PUT", "OPTIONS", "DELETE"):
            start("200 OK", [("Content-Type", "message/http"), ("Allow", "GET, PUT, DELETE, TRACE, OPTIONS")])
            return [f"{method} {path} {environ.get('HTTP_X_SECRET', '')}".encode()]
        return app(environ, unprotected)

    return answer


class _Handler(WSGIRequestHandler):
    """Says what serves it and which version, and waits for slow senders in the only thread that there is."""

    def log_message(self, format: str, *args: Any) -> None:
        """The tools read their own reports."""


def main() -> None:
    settings = Settings.from_env()
    app = create_app(settings)
    plant(app, str(make_url(settings.database_url).database))
    app.wsgi_app = weakened(app.wsgi_app)  # type: ignore[method-assign]
    with make_server("127.0.0.1", settings.port, app, handler_class=_Handler) as server:
        _log(f"the twin is ready at {time.time():.0f}")
        server.serve_forever()


if __name__ == "__main__":
    main()
