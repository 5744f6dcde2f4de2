"""The parts of signing in: a new password, a second factor, what is asked of whom, what is mailed when one forgot."""
