"""Applies a plan: runs it in waves on threads, and executes and proves each step.

- ``admission``, ``integrity``: whether the plan may be applied.
- ``run``, ``sequences``: the steps in waves, and which of them follow one another.
- ``step``: one step in one loop. ``answers``, ``retry`` and ``outcomes`` are what can become of an attempt, of an error and of the step.
- ``target_state``, ``proof``, ``creations``, ``protection``: what the target shows before and after.
- ``acceptance``: what the journal keeps of a request that Azure accepted.
- ``shards``, ``shard_messages``, ``shard_journals``: a plan that several processes apply.
"""
