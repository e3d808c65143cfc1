"""``assert_only_changed``: what a piece of code changed in a simulated tenant, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import one_line, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.redaction import redact_json
from defender_remediate.testing.simulator.simulator import ArmSimulator

Expected = Mapping[str, Mapping[str, Any] | Sequence[str]]
_ABSENT = object()
# Azure changes these with every write.
_VOLATILE = ("etag", "eTag", "systemData", "properties.provisioningState")


@contextmanager
def assert_only_changed(sim: ArmSimulator, expected: Expected) -> Iterator[None]:
    """Fails unless the block changes exactly these members of exactly these resources.

    Args:
        sim: The tenant.
        expected: For each resource id the paths of the members that change, such as ``properties.minimumTlsVersion``, or
            these paths with the values that they get. A path stands for all below it, and ``*`` for the whole resource with its
            children, also one that is created or removed. Etags, ``systemData`` and ``provisioningState`` never matter.

    Raises:
        AssertionError: Something else changed, or something expected did not. The message lists each difference.
    """
    for resource_id, paths in expected.items():
        if isinstance(paths, str) or not isinstance(paths, (Mapping, Sequence)):
            raise InvalidInputError(
                f"the paths of {quoted(resource_id)} must be a list or a mapping, got {quoted(paths)}"
            )
    before = _bodies(sim)
    yield
    after = _bodies(sim)
    wanted = {fold(resource_id): (resource_id, paths) for resource_id, paths in expected.items()}
    whole = tuple(f"{key}/" for key, (_, paths) in wanted.items() if "*" in paths)
    problems = [
        line
        for key in dict.fromkeys((*before, *after, *wanted))
        if not key.startswith(whole)
        for line in _differences(key, before.get(key), after.get(key), wanted.get(key))
    ]
    if problems:
        raise AssertionError("the tenant did not change as expected:\n" + "\n".join(problems))


def _bodies(sim: ArmSimulator) -> dict[str, dict[str, Any]]:
    return {fold(one): sim.resources.get(one) for one in sim.resources.list_ids()}


def _differences(
    key: str, before: Any, after: Any, wanted: tuple[str, Mapping[str, Any] | Sequence[str]] | None
) -> Iterator[str]:
    shown_id, paths = wanted or ((after or before or {}).get("id", key), ())
    if before is None and after is None:
        yield f"  {one_line(shown_id)}: does not exist"
        return
    found = {} if before == after else dict(_changes(before or {}, after or {}))
    if "*" in paths:
        if not found:
            yield f"  {one_line(shown_id)}: did not change"
        return
    if before is None or after is None:
        yield f"  {one_line(shown_id)}: was {'created' if before is None else 'removed'}"
        return
    for path, (old, new) in found.items():
        if not any(path == one or path.startswith((f"{one}.", f"{one}[")) for one in paths):
            yield f"  {one_line(shown_id)}: {path} changed from {_text(path, old)} to {_text(path, new)}"
    for path in paths:
        if not any(one == path or one.startswith((f"{path}.", f"{path}[")) for one in found):
            yield f"  {one_line(shown_id)}: {path} did not change, it is {_text(path, _at(after, path))}"
        elif isinstance(paths, Mapping) and _at(after, path) != paths[path]:
            yield f"  {one_line(shown_id)}: {path} is {_text(path, _at(after, path))}, expected {_text(path, paths[path])}"


def _changes(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            inner = f"{path}.{name}" if path else name
            if inner not in _VOLATILE:
                yield from _changes(before.get(name, _ABSENT), after.get(name, _ABSENT), inner)
    elif before != after or type(before) is not type(after):
        yield path, (before, after)


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name, _ABSENT) if isinstance(body, dict) else _ABSENT
    return body


def _text(path: str, value: Any) -> str:
    """A value as JSON, without a secret in it."""
    if value is _ABSENT:
        return "(absent)"
    name = path.rpartition(".")[2]
    return one_line(json.dumps(redact_json({name: value})[name], ensure_ascii=False))
