"""Microsoft.KeyVault: access policies, deleted vaults, keys and secrets, and what the data plane of a vault answers."""
