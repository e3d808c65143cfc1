"""The activity log, and metrics."""
