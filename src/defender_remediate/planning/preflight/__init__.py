"""Judging what stands between a step and its target: roles, locks, policies, hazards, owners. Makes no request."""
