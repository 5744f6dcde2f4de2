"""Work in a process of its own, which gives its memory back, and which can be ended at any moment without a trace."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from trialcrf.external.markup import CannotDraw

LOOK_EVERY = 0.5
"""Seconds between two questions whether the work is still wanted."""


class Cancelled(Exception):
    """The work was ended because nobody wants it any more."""


def run(work: Callable[..., Any], *given: Any, wanted: Callable[[], bool] | None = None) -> Any:
    """What `work` returns, a function of a module, called in a child that ends with it.

    `wanted` is asked twice a second; once it says no, the child is ended and Cancelled raised. Raises CannotDraw with what went wrong.
    """
    # A new interpreter: a fork would inherit locks and database connections of the threads around us, and the library's way of
    # starting one (multiprocessing) imports the program that we are, which takes longer than many a document.
    with tempfile.TemporaryFile() as order, tempfile.TemporaryFile() as answer:
        pickle.dump((work, given), order)
        order.seek(0)
        process = subprocess.Popen([sys.executable, "-m", "trialcrf.external.child"], stdin=order, stdout=answer)
        try:
            while process.poll() is None:
                try:
                    process.wait(LOOK_EVERY)
                except subprocess.TimeoutExpired:
                    if wanted is not None and not wanted():
                        raise Cancelled from None
        finally:
            process.kill()
            process.wait()
        answer.seek(0)
        try:
            done, result = pickle.load(answer)
        except (EOFError, pickle.UnpicklingError):
            raise CannotDraw(f"{work.__name__}: the process ended before its document (out of memory?)") from None
    if not done:
        raise CannotDraw(result)
    return result


def main() -> None:
    """In the child: do what stands in the standard input, and answer on the standard output, which nothing else may write to."""
    # It lives for one document, and collecting garbage costs a third of its time.
    gc.disable()
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work, given = pickle.load(sys.stdin.buffer)
    try:
        told = (True, work(*given))
    except CannotDraw as error:
        told = (False, str(error))
    except Exception as error:
        # Exceptions of libraries may not survive the way between processes; a text does.
        told = (False, f"{work.__name__}: {type(error).__name__}: {error}")
    with answer:
        pickle.dump(told, answer)


if __name__ == "__main__":
    main()
