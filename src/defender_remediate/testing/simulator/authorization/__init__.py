"""Roles, role assignments, locks and deny assignments."""
