"""Microsoft.Network: the elements of a resource that are resources themselves, and the default rules of security groups."""
