"""The real application over a world of tests: who signs in gets a browser without script, and what it reads can be asked about."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Settings
from tests.actions.world import World, make_world, open_world
from tests.conftest import Filling
from trialcrf.actions import administer, sign_in
from trialcrf.core.access import Grant
from trialcrf.core.oversight.four_eyes import RequestState
from trialcrf.store import accounts, requests
from trialcrf.store.transaction import Transaction, open_engine
from trialcrf.web import create_app

PASSWORD = "a long sentence for the tests"
ADMINISTRATOR = "adam"
"""The cast has no administrator: this one is of every study."""

_TOKEN = re.compile(r'name="token" value="([^"]+)"')


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
        return self.client.post(url, data=sent, **more)


@dataclass
class House:
    """The application with its world. A password is set when its person first signs in, as the trail of tests has it."""

    world: World
    app: Flask
    _with_password: set[str] = field(default_factory=set)

    def client(self, name: str) -> Browser:
        """A browser in which this person of the cast (or `adam`, the administrator) signed in by the sign-in page."""
        self.set_password(name)
        client = self.app.test_client()
        answer = client.post("/sign-in", data={"username": name, "password": PASSWORD})
        assert answer.status_code == 303, text(answer)
        found = _TOKEN.search(client.get("/account").text)
        assert found
        return Browser(client, unescape(found[1]))

    def grant(self, name: str) -> TestResponse:
        """This person grants the request that waits longest, by their password."""
        with self.world.read() as tx:
            waiting = requests.all_of(tx, self.world.study, [RequestState.WAITING])
        url = f"/studies/{self.world.study}/requests/{waiting[0].id}/grant"
        return self.client(name).post(url, {"password": PASSWORD})

    def set_password(self, name: str) -> None:
        if name in self._with_password:
            return
        with self.world.write("trialcrf") as tx:
            sign_in.set_password(tx, self.id_of(tx, name), name, PASSWORD)
        self._with_password.add(name)

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
