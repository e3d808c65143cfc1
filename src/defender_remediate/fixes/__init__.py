"""The pure language of fixes: conditions, merging, differences and placeholders. Nothing here reads or writes."""
