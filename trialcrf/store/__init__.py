"""What is stored: SQLAlchemy and nothing else. Only the actions write through it."""
