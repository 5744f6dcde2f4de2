"""trialcrf: an electronic case report form and trial follow-up tracker."""

__version__ = "0.1.0"
