"""Azure Backup: what a Recovery Services vault lists."""
