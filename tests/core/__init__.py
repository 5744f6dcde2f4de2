"""Tests of the pure rules: no fixture, no database, no file."""
