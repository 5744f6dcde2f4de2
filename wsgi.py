"""The WSGI application, for any server: `trialcrf serve` needs no other."""

from config import Settings
from trialcrf.web import create_app

app = create_app(Settings.from_env(), ends=True)
