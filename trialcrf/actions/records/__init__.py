"""Verbs of what leaves the program and must be recognised again: reports, casebooks, exports, checkpoints, the archive of a study."""
