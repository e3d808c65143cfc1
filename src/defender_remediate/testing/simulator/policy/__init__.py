"""Azure Policy: definitions, assignments, exemptions, the rule language and its effects, compliance and remediations."""
