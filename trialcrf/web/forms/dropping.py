"""A row that was left out before it was saved: the page that leaves it out can put it back, as it was typed."""

from __future__ import annotations

from itertools import count

from werkzeug.datastructures import MultiDict

BACK = "back."
"""What begins the names of the boxes of a row that was left out; the button that puts it back is `act`, `back`."""


def left_out(boxes: MultiDict[str, str]) -> tuple[tuple[str, str], ...]:
    """The boxes of the row that this page leaves out; none where nothing was typed in it."""
    row = boxes.get("drop", "")
    held = tuple((name, value) for name, value in boxes.items(multi=True) if row and _of_row(name, value, row))
    return held if any(value for name, value in held if name != "p") else ()


def put_back(boxes: MultiDict[str, str]) -> MultiDict[str, str]:
    """What was sent; where its button says so, with the row that the page had left out, and nothing is saved by that."""
    if boxes.get("act") != "back":
        return boxes
    row = next((value.rpartition(".")[0] for value in boxes.getlist(f"{BACK}p")), "")
    here = [(name, value) for name, value in boxes.items(multi=True) if not name.startswith(BACK)]
    blank = not any(value for name, value in here if name != "p" and _of_row(name, value, row))
    # A blank row that the page drew in its place gives way; where something is typed in that, the row that comes back is another one.
    kept = [(name, value) for name, value in here if not (blank and _of_row(name, value, row))]
    name_now = row if blank else _free(row, {value.rpartition(".")[0] for name, value in here if name == "p"})
    back = [(name.removeprefix(BACK), value) for name, value in boxes.items(multi=True) if name.startswith(BACK)]
    made: MultiDict[str, str] = MultiDict(kept)
    for name, value in back:
        if _of_row(name, value, row):
            made.add(name.replace(row, name_now, 1), value.replace(row, name_now, 1) if name == "p" else value)
    made["act"] = "update"
    return made


def _free(row: str, rows: set[str]) -> str:
    group = row.rpartition(".")[0]
    return next(name for number in count(1) if (name := f"{group}.new{number}") not in rows)


def _of_row(name: str, value: str, row: str) -> bool:
    return name.startswith(f"r.{row}.") or (name == "p" and value.startswith(f"{row}."))
