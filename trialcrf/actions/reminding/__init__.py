"""Verbs of telling people: reminders, notices and their letters, who wants which, and the calendars that they subscribe to."""
