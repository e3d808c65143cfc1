"""What a test sets up and changes."""
