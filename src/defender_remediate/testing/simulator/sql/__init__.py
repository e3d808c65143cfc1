"""Azure SQL: what a region offers."""
