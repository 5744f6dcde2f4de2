"""Pages of safety: serious events and their documents, the stopping rule, limits of laboratories, dictionaries."""
