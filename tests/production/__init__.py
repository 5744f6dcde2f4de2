"""The production chapter of the documentation, taken at its word."""
