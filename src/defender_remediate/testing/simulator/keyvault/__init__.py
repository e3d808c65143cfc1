"""Microsoft.KeyVault: access policies, names and deleted vaults."""
