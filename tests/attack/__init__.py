"""Tools and probes against the program as it runs, signed in as every role, and against a twin of it with holes that each must find."""
