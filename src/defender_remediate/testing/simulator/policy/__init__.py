"""Azure Policy: assignments, exemptions and restrictions."""
