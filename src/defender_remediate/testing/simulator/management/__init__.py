"""Microsoft.Management: management groups and their subscriptions."""
