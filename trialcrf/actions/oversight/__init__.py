"""Verbs of oversight: queries and comments, verification, signatures, locks, amendments, the trail's review, redaction, delegations."""
