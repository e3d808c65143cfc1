"""Azure Resource Graph: a small part of its query language, over the same state as everything else."""
