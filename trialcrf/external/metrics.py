"""The room of prometheus_client: numbers that the processes of a server count together, and the page that Prometheus reads."""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper ends of the classes that answers are counted in by the time they took."""
STATUSES = (200, 302, 303, 304, 400, 401, 403, 404, 405, 409, 413, 422, 500, 503)
"""Any other status is counted by its hundred, as 2xx."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Readings = Mapping[str, tuple[str, Mapping[tuple[tuple[str, str], ...], float]]]
"""What is read when somebody asks: name to (what it is, value by labels)."""


class Board:
    """Shared memory made before the processes fork, with a row for each: a process that is started again goes on with its row.

    What can be counted is known from the start (rules of routes, verbs), so no name that a person typed can get in.
    """

    def __init__(self, routes: Iterable[str], verbs: Iterable[str], rows: int) -> None:
        self._statuses = [*map(str, STATUSES), "1xx", "2xx", "3xx", "4xx", "5xx"]
        self._routes = [*sorted(set(routes)), ""]
        self._verbs = sorted(set(verbs))
        names: list[tuple[str, ...]] = [("requests", route, status) for route in self._routes for status in self._statuses]
        names += [("refused", verb) for verb in self._verbs]
        names += [("seconds", str(place)) for place in range(len(SECONDS) + 1)] + [("spent",), ("saves",)]
        self._places = {name: place for place, name in enumerate(names)}
        self._rows, self._row = rows, 0
        self._memory = mmap.mmap(-1, 8 * len(names) * rows)

    def take(self, row: int) -> None:
        """The row of this process."""
        self._row = row

    def request(self, route: str, status: int, seconds: float) -> None:
        said = str(status) if status in STATUSES else f"{min(max(status // 100, 1), 5)}xx"
        self._add(("requests", route if ("requests", route, said) in self._places else "", said))
        self._add(("seconds", str(bisect_left(SECONDS, seconds))))
        self._add(("spent",), seconds)

    def saved(self) -> None:
        """A request that was to change something went through."""
        self._add(("saves",))

    def refused(self, verb: str) -> None:
        self._add(("refused", verb))

    def _add(self, name: tuple[str, ...], by: float = 1.0) -> None:
        at = 8 * (self._row * len(self._places) + self._places[name])
        struct.pack_into("d", self._memory, at, struct.unpack_from("d", self._memory, at)[0] + by)

    def _total(self, *name: str) -> float:
        width = len(self._places)
        return float(sum(struct.unpack_from("d", self._memory, 8 * (row * width + self._places[name]))[0] for row in range(self._rows)))

    def collect(self) -> Iterable[Metric]:
        requests = CounterMetricFamily("trialcrf_requests", "Requests by the rule of their route and status", labels=["route", "status"])
        for route in self._routes:
            for status in self._statuses:
                if count := self._total("requests", route, status):
                    requests.add_metric([route, status], count)
        refused = CounterMetricFamily("trialcrf_refused", "Requests refused for want of a permission, by verb", labels=["verb"])
        for verb in self._verbs:
            refused.add_metric([verb], self._total("refused", verb))
        yield from (requests, refused)
        yield CounterMetricFamily("trialcrf_saves", "Requests that were to change something and went through", self._total("saves"))
        counted, sofar = [], 0.0
        for place, end in enumerate([*map(str, SECONDS), "+Inf"]):
            sofar += self._total("seconds", str(place))
            counted.append((end, sofar))
        yield HistogramMetricFamily("trialcrf_request_seconds", "Seconds until a request was answered", counted, self._total("spent"))


def page(board: Board, readings: Readings) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(board, readings))
    return generate_latest(registry)


class _Page:
    def __init__(self, board: Board, readings: Readings) -> None:
        self._board, self._readings = board, readings

    def collect(self) -> Iterable[Metric]:
        yield from self._board.collect()
        for name, (told, values) in self._readings.items():
            labels: Sequence[str] = [label for label, _ in next(iter(values), ())]
            reading = GaugeMetricFamily(name, told, labels=labels)
            for key, value in values.items():
                reading.add_metric([text for _, text in key], value)
            yield reading
