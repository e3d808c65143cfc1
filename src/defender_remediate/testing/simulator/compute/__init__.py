"""Microsoft.Compute: what a virtual machine has that is a resource of its own, and what its answers show besides."""
