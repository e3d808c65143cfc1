"""What this library speaks of: frozen values, no input or output, nothing of Azure's SDKs."""
