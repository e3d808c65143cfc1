"""Resources: routing, reads, writes, long-running operations."""
