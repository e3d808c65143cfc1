"""State files: what a tenant is, as JSON that people can read and keep with their tests."""
