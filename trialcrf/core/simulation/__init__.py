"""Synthetic subjects for any study: made up from a seed, without chance or clock, and as coherent as the study's script says."""
