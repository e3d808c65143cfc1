"""Template deployments and their what-if."""
