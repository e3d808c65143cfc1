"""Azure Resource Graph: its tables and its query language, over the same state as everything else. Microsoft Graph is in ``directory``."""
