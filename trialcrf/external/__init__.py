"""The rest of the world, one library to a room."""
