"""The pure language of fixes: conditions, merging, differences and placeholders. Nothing here reads or writes.

- ``paths``, ``conditions``, ``placeholders``: what the catalog writes.
- ``candidates``: which fixes go together on one target.
- ``merge``, ``diff``, ``unshown``: the body after a fix, what differs, and whether a request does just that.
- ``drift``: what a step depends on.
- ``undo``, ``undo_facts``, ``restore``: what an undo can bring about.
- ``decisions``: exemptions, attestations and owners, which only record something.
"""
