"""The chain of cells at work: what a save must not contradict, release, the bedside check, look-back, the trace."""
