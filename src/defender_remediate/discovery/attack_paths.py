"""Lists attack paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defender_remediate.discovery.empty_listings import EmptyListings
from defender_remediate.discovery.posture import without_attack_paths
from defender_remediate.discovery.sources import GraphSource
from defender_remediate.models.attack_path import AttackPath
from defender_remediate.models.named import ResourceChoice, resource_named
from defender_remediate.models.posture import PostureWarning


def list_attack_paths(
    graph: GraphSource, empty: EmptyListings, resource: ResourceChoice | None = None
) -> Iterator[AttackPath]:
    """The attack paths in scope, from Resource Graph; Azure has no other API for them.

    Without the plan Defender CSPM Azure looks for none, so that none listed does not mean that there is none.

    Args:
        graph: Where they are listed.
        empty: Tells why nothing was found.
        resource: Only those that pass through this resource.

    Raises:
        InvalidResourceIdError: The resource is not a resource id; before any request.

    Permissions: ``Microsoft.Security/*/read``. Makes one query per 1000 attack paths.
    """
    wanted = None if resource is None else resource_named(resource).text
    found = graph.attack_paths()
    return _explained(found if wanted is None else (path for path in found if path.passes_through(wanted)), empty)


def _explained(found: Iterable[AttackPath], empty: EmptyListings) -> Iterator[AttackPath]:
    """The attack paths; then a PostureWarning if there is none where Azure looks for none."""
    is_empty = True
    for path in found:
        is_empty = False
        yield path
    if is_empty and empty.warn is not None:
        postures = tuple(map(without_attack_paths, empty.list_postures()))
        blind = tuple(one for one in postures if one.reasons and not one.defender_cspm)
        if blind:
            empty.warn(PostureWarning(blind))
