"""What a rollback may remove of what a run created."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.journal import StepState
from defender_remediate.models.plan import CreatedResource
from defender_remediate.rollback.removal import created_by

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/RG"


def test_a_resource_group_is_never_among_it(make_step: Callable[..., Any], make_result: Callable[..., Any]) -> None:
    """Others may have put anything into it; a resource is found whatever the casing of its id."""
    ids = (GROUP, f"{GROUP}/providers/Microsoft.Network/privateEndpoints/PE")
    created = tuple(CreatedResource(resource_id=one, api_version="1") for one in ids)
    states = [
        StepState(step=make_step(), result=attrs.evolve(make_result(), created=created)),
        StepState(step=make_step(id="s2")),
    ]
    assert list(created_by(states)) == [ids[1].lower()]
