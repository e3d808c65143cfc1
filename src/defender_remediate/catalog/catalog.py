"""Finding the fix for a recommendation."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain

from defender_remediate.catalog.checks import check
from defender_remediate.catalog.loader import bundled_fixes, read_fixes
from defender_remediate.errors import CatalogError
from defender_remediate.models import _codec
from defender_remediate.models._json import sha256
from defender_remediate.models.fix import FixAction

_FORMAT = 1
_Index = dict[str, dict[str, FixAction]]


class Catalog:
    """Every fix that is known, found by recommendation, by policy definition or by resource type.

    A catalog never changes; ``with_fixes`` gives another one. Names compare without regard to case. One recommendation
    may have one fix per resource type; without a resource type the first of them is what is found.
    """

    __slots__ = ("_by_key", "_by_policy", "_fixes", "_version")

    def __init__(self, fixes: Iterable[FixAction] = ()) -> None:
        """A catalog of these fixes and no others; a later one takes the place of an earlier one for the same type.

        Raises:
            CatalogError: One of them could not be planned; names the fix and the member.
        """
        found: dict[tuple[str, str], FixAction] = {}
        for fix in fixes:
            check(fix, source=f"fix {fix.key}", path="")
            found[_identity(fix)] = fix
        self._fixes = tuple(found.values())
        self._by_key, self._by_policy = _indexes(self._fixes)
        self._version = ""

    @classmethod
    def bundled(cls) -> Catalog:
        """The catalog that comes with this library. Its files are read on the first call only."""
        return _bundled()

    def with_fixes(self, *fixes: FixAction | str | os.PathLike[str]) -> Catalog:
        """This catalog and more fixes; a later one takes the place of an earlier one for the same resource type.

        Args:
            fixes: Fixes made in code, or the paths of TOML catalog files.

        Raises:
            CatalogError: A file cannot be used, or a fix could not be planned; names the file and the key path.
        """
        return Catalog(chain(self._fixes, *map(_fixes_of, fixes)))

    @property
    def version(self) -> str:
        """Changes with every change of any fix, and with nothing else: ``1.`` and a digest of all fixes."""
        if not self._version:
            content = sorted((*_identity(fix), sha256(_codec.encode(fix))) for fix in self._fixes)
            self._version = f"{_FORMAT}.{sha256(content)[:12]}"
        return self._version

    def get(self, key: str, resource_type: str | None = None) -> FixAction | None:
        """The fix of the recommendation with this assessment key; None when there is none."""
        return _pick(self._by_key, key, resource_type)

    def for_policy(self, policy_definition_id: str, resource_type: str | None = None) -> FixAction | None:
        """The fix behind a policy definition, given by its bare name or its whole id; None when there is none."""
        return _pick(self._by_policy, policy_definition_id.rstrip("/").rsplit("/", 1)[-1], resource_type)

    def for_recommendation(
        self, key: str, policy_definition_id: str = "", resource_type: str | None = None
    ) -> FixAction | None:
        """The fix of a recommendation: by its key, else by the policy definition that its metadata names."""
        return self.get(key, resource_type) or self.for_policy(policy_definition_id, resource_type)

    def for_resource_type(self, resource_type: str) -> tuple[FixAction, ...]:
        """Every fix for resources of this type; empty when there is none."""
        wanted = resource_type.casefold()
        return tuple(fix for fix in self._fixes if fix.resource_type.casefold() == wanted)

    def __iter__(self) -> Iterator[FixAction]:
        return iter(self._fixes)

    def __len__(self) -> int:
        return len(self._fixes)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.casefold() in self._by_key

    def __eq__(self, other: object) -> bool:
        return self.version == other.version if isinstance(other, Catalog) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"<Catalog {self.version}: {len(self)} fixes>"


@cache
def _bundled() -> Catalog:
    return Catalog(bundled_fixes())


def _identity(fix: FixAction) -> tuple[str, str]:
    return fix.key.casefold(), fix.resource_type.casefold()


def _indexes(fixes: tuple[FixAction, ...]) -> tuple[_Index, _Index]:
    by_key: _Index = {}
    by_policy: _Index = {}
    for fix in fixes:
        of_type = fix.resource_type.casefold()
        by_key.setdefault(fix.key.casefold(), {})[of_type] = fix
        for policy in fix.policy_definition_ids:
            by_policy.setdefault(policy.casefold(), {}).setdefault(of_type, fix)
    return by_key, by_policy


def _fixes_of(given: FixAction | str | os.PathLike[str]) -> tuple[FixAction, ...]:
    if isinstance(given, FixAction):
        return (given,)
    if isinstance(given, (str, os.PathLike)):
        return read_fixes(given)
    raise CatalogError(f"expected a FixAction or the path of a catalog file, got {type(given).__name__}")


def _pick(index: _Index, name: str, resource_type: str | None) -> FixAction | None:
    of_types = index.get(name.casefold(), {})
    if resource_type is None:
        return next(iter(of_types.values()), None)
    return of_types.get(resource_type.casefold())
