"""Verbs of safety: serious events and their clocks, holds and cohorts, grades and limits, coding, packs."""
