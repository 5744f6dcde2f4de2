"""Data that come from outside, as people bring them: tables of a laboratory or of a spreadsheet, read without ever trusting them."""
