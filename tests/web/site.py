"""The real application over a world of tests: who signs in gets a browser without script, and what it reads can be asked about."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from config import Settings
from tests.actions.world import PASSWORD, World, make_world, open_world
from tests.conftest import Filling
from trialcrf.actions import administer, sign_in
from trialcrf.core.access import Grant
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.store import accounts, requests
from trialcrf.store.models.people import account, session
from trialcrf.store.transaction import Transaction, open_engine
from trialcrf.web import create_app

ADMINISTRATOR = "adam"
"""The cast has no administrator: this one is of every study."""


@dataclass
class Browser:
    """A signed-in person. `post` sends the token along, as a form of ours does; `token=None` leaves it out."""

    client: FlaskClient
    token: str = ""

    def get(self, url: str, **more: Any) -> TestResponse:
        return self.client.get(url, **more)

    def post(self, url: str, data: dict[str, Any] | None = None, token: str | None = "", **more: Any) -> TestResponse:
        sent = dict(data or {})
        if token is not None:
            sent["token"] = token or self.token
        answer = self.client.post(url, data=sent, **more)
        assert dead_ends(self.client.application, answer) == []
        return answer


_LEADS_TO = re.compile(r' href="([^"#]+)|name="next" value="([^"]+)"')


def dead_ends(app: Flask, answer: TestResponse) -> list[str]:
    """Where a page leads, by a link or once its language is changed, though nothing can be opened there: a refused act has no page."""
    if not answer.content_type.startswith("text/html"):
        return []
    routes = app.url_map.bind("")
    led = {urlsplit(urljoin(answer.request.path, unescape(one or other))) for one, other in _LEADS_TO.findall(answer.text)}
    return sorted(one.path for one in led if not one.scheme and not routes.test(unquote(one.path), "GET"))


@dataclass
class House:
    """The application with its world."""

    world: World
    app: Flask

    def client(self, name: str) -> Browser:
        """A browser in which this person of the cast (or `adam`, the administrator) signed in by the sign-in page."""
        self._let_in(name)
        client = self.app.test_client()
        answer = client.post("/sign-in", data={"username": name, "password": PASSWORD})
        assert answer.status_code == 303, text(answer)
        with self.world.read() as tx:
            token = tx.read(select(session.c.csrf).order_by(session.c.id.desc()).limit(1)).scalar_one()
        return Browser(client, token)

    def grant(self, name: str) -> TestResponse:
        """This person grants the request that waits longest, by their password."""
        with self.world.read() as tx:
            waiting = requests.all_of(tx, self.world.study, [RequestState.WAITING])
        url = f"/studies/{self.world.study}/requests/{waiting[0].id}/grant"
        return self.client(name).post(url, {"password": PASSWORD})

    def _let_in(self, name: str) -> None:
        """Whoever a test made has no password yet."""
        with self.world.read() as tx:
            has = tx.read(select(account.c.password_hash).where(account.c.username == name)).scalar()
        if not has:
            with self.world.write("trialcrf") as tx:
                sign_in.set_password(tx, self.id_of(tx, name), name, PASSWORD)

    def account(self, name: str) -> int:
        with self.world.read() as tx:
            return self.id_of(tx, name)

    @staticmethod
    def id_of(tx: Transaction, name: str) -> int:
        found = accounts.find(tx, name)
        assert found, name
        return found.id

    def close(self) -> None:
        self.app.extensions["trialcrf.engine"].dispose()
        self.world.engine.dispose()


def settings_for(url: str, data: Path) -> Settings:
    """Settings of a server that only this machine can reach."""
    return Settings(
        data=data, database_url=url, host="127.0.0.1", port=8000, base_url="http://127.0.0.1:8000", smtp_url=None,
        mail_from="trialcrf@localhost", demo=False, secure_cookies=False, admin_second_factor=False, database_unguarded=True,
    )  # fmt: skip


@cache
def filling_of(study: str = "msc_ssc") -> Filling:
    """Fills a database with the world of the tests of actions, and an administrator besides."""

    def fill(url: str) -> None:
        world = make_world(url, study)
        with world.write("trialcrf") as tx:
            account_id = administer.create_account(tx, ADMINISTRATOR, "Adam", "adam@example.org", "Hospital", "fr")
            accounts.give(tx, account_id, Grant("administrator", "*"))
            sign_in.set_password(tx, account_id, ADMINISTRATOR, PASSWORD)
        world.engine.dispose()

    return fill


def open_house(url: str, data: Path, study: str = "msc_ssc") -> House:
    """The application over a database that `filling_of` filled."""
    return House(open_world(url, study), application(url, data))


_MADE: list[Flask] = []


def application(url: str, data: Path) -> Flask:
    """The application: made whole the first time, later the same routes and compiled templates with a configuration of their own."""
    settings = settings_for(url, data)
    if not _MADE:
        _MADE.append(create_app(settings))
        _MADE[0].extensions["trialcrf.engine"].dispose()
    app = copy(_MADE[0])
    app.config = copy(app.config)
    app.config |= {"DATA": settings.data, "BACKUPS": settings.backup_folder, "FOLDERS": settings.kept_in, "UNGUARDED": False}
    app.extensions = {**app.extensions, "trialcrf.engine": open_engine(settings.database_url), "trialcrf.bursts": {}}
    return app


def text(answer: TestResponse) -> str:
    """What a person reads of a page: no markup, single spaces."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", answer.text))).strip()
