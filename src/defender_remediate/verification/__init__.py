"""Checks what a run left: reads the targets back, reads Defender's status and diagnoses what is not healthy yet.

- ``verifier``, ``defender_status``, ``freshness_interval``: reads the targets and Defender's status, and when to read it again.
- ``facts``, ``diagnosis``, ``exemptions``: why a resource is not healthy.
- ``change_history``, ``watcher``: what Azure recorded of a change, and what was undone since.
"""
