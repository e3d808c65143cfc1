"""Builds a plan: selects resources, reads targets, builds steps and applies guards."""
