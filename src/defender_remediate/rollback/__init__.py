"""Plans the undo of a run and the removal of what it created."""
