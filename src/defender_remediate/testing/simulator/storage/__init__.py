"""Microsoft.Storage: keys, quotas and shares of accounts, and what the data plane of an account answers."""
