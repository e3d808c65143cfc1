"""What a planned step depends on: the members of its target that must not change before it is applied."""

from __future__ import annotations

import attrs

from defender_remediate.serialization import Value


@attrs.frozen(kw_only=True)
class Dependencies(Value):
    """The members of a target that a step depends on. A change of any of them is drift; any other change is not.

    In a path, ``[*]`` stands for every element of an array or every member of an object, and ``[?name]`` for every
    element whose member ``name`` is true. Members below a path belong to it.

    Attributes:
        members: What the step changes, and what its conditions and checks read.
        is_whole: Whether it depends on every member that is not ignored, as a PUT does: it sends them all.
        ignored: Members that no request can set, or that Azure changes by itself. One that is named in ``members`` counts
            all the same.
    """

    members: tuple[str, ...] = ()
    is_whole: bool = False
    ignored: tuple[str, ...] = ()


EVERYTHING = Dependencies(is_whole=True)
"""Every member of the target, for a step about which nothing else is known."""
