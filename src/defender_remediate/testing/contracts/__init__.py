"""Contract tests for executors and journals of your own."""
