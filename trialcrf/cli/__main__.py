"""`python -m trialcrf.cli` is `trialcrf`."""

from trialcrf.cli import main

main()
