"""Tenants that come furnished."""
