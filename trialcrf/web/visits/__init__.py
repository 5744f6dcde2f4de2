"""Planned visits on the screen: the list of the day, the matrix, the calendar and its feed, a subject's card and timeline."""
