"""Pure decisions: what is compliant, what differs, what comes first. Nothing here reads or writes anything."""
