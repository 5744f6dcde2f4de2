"""What an administrator does for somebody who forgot the password or lost the factors; no secret is ever shown here."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from trialcrf.actions.signing_in import resets
from trialcrf.store.transaction import Transaction
from trialcrf.web.administration.admin import PERSON, blueprint, done_to
from trialcrf.web.fixed import ReasonForm
from trialcrf.web.guard import page


@page(blueprint, PERSON + "/reset", "user.administer", methods=["POST"], fresh=True)
def start_reset(account: int) -> Response | tuple[str, int]:
    """Send the person a link that sets a new password."""
    return done_to(account, "reset_sent", "", lambda tx: resets.start(tx, account))


@page(blueprint, PERSON + "/factors", "user.administer", methods=["POST"], fresh=True)
def remove_factors(account: int) -> Response | tuple[str, int]:
    """Take away the factors that a person lost, with a reason."""
    form = ReasonForm(request.form, prefix="factors-")

    def act(tx: Transaction) -> None:
        resets.remove_factors(tx, account, form.reason.data or "")

    return done_to(account, "factors_removed", "factors-", act)
