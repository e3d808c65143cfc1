"""Microsoft.Network: the elements of a resource that are resources themselves."""
