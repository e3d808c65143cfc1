"""The ways in: an azure-core transport, responses, an HTTP server."""
