"""Azure SQL: sizes, restored and copied databases, failover groups, and what a region offers."""
