"""The rules of the catalog, grouped by what they are checked."""
