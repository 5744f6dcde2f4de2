"""A process that writes one audited change after another, and says each number, and the moment, once the database acknowledged it.

python -m tests.faults.writer URL
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from sqlalchemy import update

from trialcrf.store.audit import Entry, Who
from trialcrf.store.models import site
from trialcrf.store.transaction import open_engine, writing


def main(url: str) -> None:
    engine, number = open_engine(url), 0
    while True:
        number += 1
        with writing(engine, datetime.now(UTC), Who.system("writer")) as tx:
            name = f"Site {number}"
            tx.change(site, update(site).where(site.c.id == 1).values(name=name), [Entry("system", "set", "site", "1", "name", name)])
        sys.stdout.write(f"{number} {time.monotonic_ns()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
