"""Study forms on the screen: entry, how each field is drawn and read back, the body map, the history beside a field."""
