"""Pages of oversight: what is queried, verified, signed, locked and reviewed."""
