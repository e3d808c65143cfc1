"""How requests reach the simulator: an azure-core transport and an HTTP server."""
