"""Rules of oversight: the age of queries, samples to verify, visits of monitors, four eyes, what a lock and an amendment ask."""
