"""Safety: what happened to subjects, how it is counted, who must be told by when, and what it means for the trial."""
