"""The catalog: finds the fixes for a recommendation, a policy definition or a resource type."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Union

from defender_remediate import serialization
from defender_remediate.casing import fold
from defender_remediate.catalog.freshness import bundled_freshness
from defender_remediate.catalog.guidance import (
    all_guidance,
    bundled_guidance,
    find_category_guidance,
    find_guidance,
    find_source_guidance,
)
from defender_remediate.catalog.lint.problem import CatalogProblem
from defender_remediate.catalog.loader import read_bundled, read_fixes
from defender_remediate.catalog.roles import role_definition
from defender_remediate.catalog.search import check_resource_type, search
from defender_remediate.catalog.titles import title_key
from defender_remediate.catalog.validity import check_fix
from defender_remediate.display import quoted
from defender_remediate.errors import CatalogError
from defender_remediate.json_values import sha256
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.fix import FixAction
from defender_remediate.models.freshness import CatalogFreshness
from defender_remediate.models.guidance import Guidance
from defender_remediate.models.ids import Scope
from defender_remediate.models.named import CHOICES, Choice, key_named, named, several
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.validation import string

if TYPE_CHECKING:
    from defender_remediate.preflight import Check

RoleSubject = Union[RemediationPlan, Choice]
"""What a role can be made for."""
_NAME = re.compile(r"[\s/]")
_FORMAT = 1
_Index = dict[str, dict[str, tuple[FixAction, ...]]]


class _Checked(tuple[FixAction, ...]):
    """Fixes that the loader has already checked."""


class Catalog:
    """The fixes, by recommendation, by policy definition or by resource type.

    A catalog is immutable; ``with_fixes`` returns a new one. Names compare without regard to case. A recommendation can have
    one fix per resource type, or several variants of it. Methods that return one fix return the first.
    """

    __slots__ = ("_by_key", "_by_policy", "_by_title", "_by_type", "_fixes", "_version")

    def __init__(self, fixes: Iterable[FixAction] = ()) -> None:
        """Create a catalog of these fixes only.

        A later fix replaces an earlier one with the same key, resource type and variant. A fix without a variant replaces all
        variants, and vice versa.

        Raises:
            CatalogError: A fix is invalid; the error names the fix and the member.
        """
        if isinstance(fixes, str) or not isinstance(fixes, Iterable):
            raise CatalogError(f"a catalog is made of fixes, got {quoted(fixes)}", hint="pass [fix]")
        found: dict[tuple[str, str], dict[str | None, FixAction]] = {}
        for fix in fixes if isinstance(fixes, _Checked) else map(_checked, fixes):
            variants = found.setdefault(_identity(fix), {})
            if not fix.variant or None in variants:
                variants.clear()
            variants[fix.variant] = fix
        self._fixes = tuple(fix for variants in found.values() for fix in variants.values())
        self._version: str | None = None
        self._by_key: _Index = {}
        self._by_policy: _Index = {}
        self._by_title: _Index = {}
        self._by_type: dict[str, tuple[FixAction, ...]] = {}
        for fix in self._fixes:
            key, of_type = _identity(fix)
            _add(self._by_key, key, of_type, fix)
            self._by_type[of_type] = (*self._by_type.get(of_type, ()), fix)
            for policy in fix.policy_definition_ids:
                _add(self._by_policy, fold(policy), of_type, fix)
            for title in fix.display_names:
                _add(self._by_title, title_key(title), of_type, fix)

    @classmethod
    def bundled(cls) -> Catalog:
        """Get the catalog of this library. Its files are read on the first call only."""
        return _bundled()

    def without(self, *keys: Choice) -> Catalog:
        """Get a catalog without the fixes of these recommendations.

        Args:
            keys: Recommendations, fixes, assessment keys or display names.

        Raises:
            CatalogError: The catalog has no fix with one of the keys.
        """
        dropped = set()
        for key in keys:
            found = self._key(key)
            if found not in self:
                raise CatalogError(f"the catalog has no fix with the key {quoted(found)}", hint=self._next_step(found))
            dropped.add(fold(found))
        return Catalog(_Checked(fix for fix in self._fixes if fold(fix.key) not in dropped))

    def with_fixes(self, *fixes: FixAction | str | os.PathLike[str]) -> Catalog:
        """Get a catalog with additional fixes; a later fix replaces an earlier one for the same resource type.

        Args:
            fixes: ``FixAction`` values, or the paths of TOML catalog files.

        Raises:
            CatalogError: A file or a fix is invalid; the error names the file and the key path.
        """
        return Catalog(_Checked(chain(self._fixes, *map(_fixes_of, fixes))))

    @property
    def version(self) -> str:
        """``1.`` and a digest of all fixes: it changes only when a fix changes."""
        if self._version is None:
            content = sorted((*_identity(fix), fix.variant, sha256(serialization.encode(fix))) for fix in self._fixes)
            self._version = f"{_FORMAT}.{sha256(content)[:12]}"
        return self._version

    @property
    def freshness(self) -> CatalogFreshness:
        """How old the knowledge of Azure is that comes with this library, and what it knows to be retired or blocked.

        It is the same for every catalog. Its file is read on the first call.
        """
        return bundled_freshness()

    def get(self, key: Choice, resource_type: str | None = None) -> FixAction | None:
        """Get the first fix of a recommendation; None if there is no fix.

        Args:
            key: A recommendation, one of its assessments, its assessment key, or its display name in the catalog.
            resource_type: Only a fix for this type, such as ``Microsoft.Web/sites``.

        Raises:
            UnknownRecommendationError: No recommendation has this display name; the error names similar ones.
            InvalidInputError: An argument is something else.
        """
        return next(iter(_pick(self._by_key, self._key(key), self._type(resource_type))), None)

    def get_for_policy(self, policy_definition_id: str, resource_type: str | None = None) -> FixAction | None:
        """Get the first fix behind a policy definition, given by its name or its id; None if no fix is found."""
        return next(iter(_pick(self._by_policy, _bare(policy_definition_id), self._type(resource_type))), None)

    def get_for_recommendation(
        self,
        key: Choice,
        policy_definition_id: str | None = None,
        resource_type: str | None = None,
        title: str | None = None,
    ) -> FixAction | None:
        """Get the first fix of a recommendation, found as ``list_for_recommendation`` does; None if no fix is found."""
        return next(iter(self.list_for_recommendation(key, policy_definition_id, resource_type, title)), None)

    def list_for_recommendation(
        self,
        key: Choice,
        policy_definition_id: str | None = None,
        resource_type: str | None = None,
        title: str | None = None,
    ) -> tuple[FixAction, ...]:
        """List every fix of a recommendation with all variants, for all resource types or for one.

        A resource type without a fix for the key is looked up by the policy definition, then by the display name, which only
        fixes with ``FixAction.display_names`` are found by. A recommendation with guidance has no fix, even if a fix has
        the same policy definition.
        """
        if isinstance(key, Recommendation):
            policy_definition_id = policy_definition_id or key.policy_definition_id
            title = title or key.display_name
        key = self._key(key)
        by_key = self._by_key.get(fold(key), {})
        if not by_key and find_guidance(key) is not None:
            return ()
        by_title = self._by_title.get(title_key(string("title", title or "")), {})
        by_policy = self._by_policy.get(_bare(policy_definition_id or ""), {})
        return _pick({"": by_title | by_policy | by_key}, "", self._type(resource_type))

    def list_for_resource_type(self, resource_type: str) -> tuple[FixAction, ...]:
        """List every fix for resources of this type.

        Raises:
            InvalidInputError: It is not a resource type with its provider, or misspells one of the catalog.
        """
        return self._by_type.get(fold(self._type(string("resource_type", resource_type)) or ""), ())

    def search(
        self,
        text: str = "",
        *,
        provider: str | None = None,
        control: str | SecurityControl | None = None,
        resource_type: str | None = None,
    ) -> tuple[FixAction, ...]:
        """Find fixes by words, such as ``catalog.search("tls app service")``, the best match first.

        A word is looked for in the title, the name of the service, the resource type, the control and the members that a
        fix writes. Fixes that match all words are returned; if there are none, those that match most of them. The order
        is always the same.

        Args:
            text: Words in any order; may be empty if there is a filter.
            provider: Only fixes of this resource provider, such as ``Microsoft.Storage`` or ``storage``.
            control: Only fixes of this security control: a ``SecurityControl`` or its display name.
            resource_type: Only fixes for this resource type.

        Raises:
            InvalidInputError: There is neither a word nor a filter, or the catalog has nothing of the provider, the control
                or the resource type.
        """
        return search(self._fixes, text, provider=provider, control=control, resource_type=resource_type)

    def get_guidance(
        self, key: Choice, policy_definition_id: str | None = None, title: str | None = None
    ) -> Guidance | None:
        """Get the guidance for a recommendation without a bundled fix; None if there is no guidance.

        A retired recommendation answers with what replaced it: the keys in ``replaced_by``, or the ``category`` of the
        individual recommendations. The display name counts if nothing else is found, for recommendations whose key Azure
        does not publish. It is the same for every catalog. Its files are read on the first call.
        """
        bare = _bare(policy_definition_id or "")
        return find_guidance(self._key(key), bare, string("title", title or ""))

    def guidance_for_category(self, category: str) -> Guidance | None:
        """Get the guidance for the individual recommendations of a category, such as ``SoftwareUpdate``.

        Azure makes their keys for each finding, so that they are addressed by category
        (``properties.metadata.recommendationCategory``). None for ``Unknown``, whose recommendations have keys of their
        own, and for a category that this version of the library does not know.
        """
        return find_category_guidance(string("category", category))

    def guidance_for_source(self, source: str) -> Guidance | None:
        """Get the guidance for resources of another cloud (``Assessment.source``), such as ``Aws``.

        None for Azure, and for a source that this version of the library does not know.
        """
        return find_source_guidance(string("source", source))

    def titles(self) -> Iterator[tuple[str, str]]:
        """The key and the display name of every recommendation that has a fix or guidance."""
        for fix in self._fixes:
            for title in dict.fromkeys((fix.title, *fix.display_names)):
                yield fix.key, title
        for guidance in all_guidance():
            for title in dict.fromkeys((guidance.title, *guidance.titles)):
                yield guidance.key, title

    def check(
        self, *, fixes: FixAction | str | os.PathLike[str] | Iterable[FixAction | str | os.PathLike[str]] | None = None
    ) -> tuple[CatalogProblem, ...]:
        """Check fixes as the bundled ones are checked. Returns the problems; empty if there are none.

        Without ``fixes``, the guidance is checked too.

        Each fix is applied to generated bodies. The checks are that it meets its condition, changes nothing else, is
        idempotent, can be undone and matches the provider's schema, and that Azure still has what it is about. A file that
        cannot be read is reported as a problem.
        Makes no request, and takes about ten milliseconds per fix.

        Args:
            fixes: Fixes, or the paths of catalog files, to check instead of those in this catalog.
        """
        # The schemas are large, and only who checks pays for them.
        from defender_remediate.catalog.lint.check import check_all
        from defender_remediate.catalog.lint.rules.freshness import stale_guidance

        if fixes is None:
            return (*check_all(self._fixes), *stale_guidance(bundled_guidance()))
        given = (fixes,) if isinstance(fixes, (FixAction, str, os.PathLike)) else fixes
        listed: tuple[object, ...] = tuple(given) if isinstance(given, Iterable) else (given,)
        for one in listed:
            if not isinstance(one, (FixAction, str, os.PathLike)):
                raise CatalogError(
                    f"expected a FixAction or the path of a catalog file, got {quoted(one)}",
                    hint="pass [fix] or [path]",
                )
        return check_all(listed)  # type: ignore[arg-type] # the loop has checked it

    def role_definition(
        self,
        fixes: RoleSubject | Iterable[RoleSubject],
        *,
        name: str,
        scopes: str | Scope | Iterable[str | Scope],
        checks: Iterable[Check] = (),
    ) -> dict[str, Any]:
        """Get a least-privilege custom role for these fixes, including the reads for planning, checks and verification.

        It has no wildcards, and no delete permission unless a fix needs it. As JSON it is the input of ``az role definition
        create --role-definition``; for the REST API or a template, use its ``properties``.

        Args:
            fixes: Fixes; recommendations, controls, keys or display names, for all their fixes; or plans, for the fixes of
                their steps. One or several. The role can read only the resources of these fixes, so with an empty list it can list
                recommendations but not plan.
            name: The name of the role.
            scopes: The subscriptions, resource groups or the management group that it can be assigned at.
            checks: The custom preflight checks of the client.

        Raises:
            CatalogError: A recommendation has no fix.
            InvalidInputError: ``fixes`` contains an invalid value, or the name or a scope is not valid for a role.
        """
        subjects: Iterable[RoleSubject] = (fixes,) if isinstance(fixes, RemediationPlan) else _listed(fixes)
        selected = chain.from_iterable(map(self._fixes_of, subjects))
        return role_definition(selected, name=name, scopes=scopes, checks=checks)

    def _fixes_of(self, given: RoleSubject) -> tuple[FixAction, ...]:
        if isinstance(given, FixAction):
            return (given,)
        if isinstance(given, RemediationPlan):
            return tuple(
                fix
                for step in given.steps
                for key in step.keys
                for fix in self._fixes_of(key)
                if fold(fix.resource_type) == fold(step.resource_type)
            )
        if isinstance(given, Recommendation):
            keys, found = [given.key], self.list_for_recommendation(given)
        else:
            keys = [one.key for one in named(given, self.titles, expected=f"a plan, {CHOICES}")]
            found = tuple(fix for key in keys for fix in self.list_for_recommendation(key))
        if not found:
            raise CatalogError(
                f"the catalog has no fix for the recommendation {quoted(keys[0])}", hint=self._next_step(keys[0])
            )
        return found

    def _key(self, given: Choice) -> str:
        """The key of the recommendation that a caller means. A string without a space or a slash is a key."""
        if isinstance(given, str) and not _NAME.search(given):
            return given
        return key_named(given, self.titles)

    def _type(self, resource_type: str | None) -> str | None:
        """A resource type as a caller wrote it, if it can be one."""
        if resource_type is not None and fold(string("resource_type", resource_type)) not in self._by_type:
            check_resource_type(resource_type, self._fixes)
        return resource_type

    @staticmethod
    def _next_step(key: str) -> str:
        known = find_guidance(key)
        if known is None:
            return "client.list_recommendations(fixable=True) lists those with a fix"
        return f"{known.reason.label}: Catalog.get_guidance({quoted(known.key)}) says what can be done"

    def __iter__(self) -> Iterator[FixAction]:
        return iter(self._fixes)

    def __len__(self) -> int:
        return len(self._fixes)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and fold(key) in self._by_key

    def __eq__(self, other: object) -> bool:
        return self.version == other.version if isinstance(other, Catalog) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.version)

    def __repr__(self) -> str:
        return f"<Catalog {self.version}: {len(self)} fixes>"


@cache
def _bundled() -> Catalog:
    fixes, version = read_bundled()
    catalog = Catalog(_Checked(fixes))
    catalog._version = version  # noqa: SLF001 - computing it takes longer than reading the bundle
    return catalog


def _listed(given: RoleSubject | Iterable[RoleSubject]) -> Iterable[RoleSubject]:
    # With an empty list a role can list recommendations but not plan.
    return () if isinstance(given, (list, tuple)) and not given else several(given, "fixes")


def _checked(fix: FixAction) -> FixAction:
    if not isinstance(fix, FixAction):
        raise CatalogError(
            f"a catalog is made of fixes, got {quoted(fix)}", hint="Catalog().with_fixes(path) reads a file"
        )
    check_fix(fix, source=f"fix {fix.key}", path="")
    return fix


def _identity(fix: FixAction) -> tuple[str, str]:
    return fold(fix.key), fold(fix.resource_type)


def _add(index: _Index, name: str, of_type: str, fix: FixAction) -> None:
    there = index.setdefault(name, {}).get(of_type, ())
    # A policy definition may stand behind two recommendations: then the first has it.
    if not there or fold(there[0].key) == fold(fix.key):
        index[name][of_type] = (*there, fix)


def _fixes_of(given: FixAction | str | os.PathLike[str]) -> tuple[FixAction, ...]:
    if isinstance(given, FixAction):
        return (_checked(given),)
    if isinstance(given, (str, os.PathLike)):
        return read_fixes(given)
    raise CatalogError(f"expected a FixAction or the path of a catalog file, got {type(given).__name__}")


def _bare(policy_definition_id: str) -> str:
    return fold(string("policy_definition_id", policy_definition_id).rstrip("/").rsplit("/", 1)[-1])


def _pick(index: _Index, name: str, resource_type: str | None) -> tuple[FixAction, ...]:
    of_types = index.get(fold(name), {})
    if resource_type is None:
        return tuple(chain.from_iterable(of_types.values()))
    return of_types.get(fold(string("resource_type", resource_type)), ())
