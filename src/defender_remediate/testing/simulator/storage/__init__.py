"""Microsoft.Storage: keys, names, SKUs and quotas of accounts."""
