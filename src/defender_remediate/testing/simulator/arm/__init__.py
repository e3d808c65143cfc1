"""Azure Resource Manager: routing, reads and writes of any type, operations, tags and groups."""
