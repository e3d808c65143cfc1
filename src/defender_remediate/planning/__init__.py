"""Builds a plan: selects resources, reads targets, builds steps and applies guards.

- ``requested``, ``assessments``, ``selection``: what is to be planned. ``holds`` and ``waivers`` are exceptions.
- ``targets``, ``listings``: reads what a fix is about.
- ``builder``, ``steps``: drafts the steps.
- ``draft_checks``, ``guards``: what keeps a step out of the plan, or the plan from being applied.
- ``score``: what the plan is expected to add.
- ``decisions``: exemptions and owners as steps.
"""
