"""What can be counted of the catalog: the page of its coverage, and the line in the README."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from importlib import resources
from json import loads

import attrs

from defender_remediate import FixAction
from defender_remediate.catalog import Rule
from defender_remediate.catalog.lint.check import ON_EACH_SAMPLE, ON_THE_FIX
from defender_remediate.models import FixKind, Impact, Reversibility
from defender_remediate.models.fix import Evidence
from defender_remediate.models.guidance import Guidance

UNKNOWN_CONTROL = "Control not known"


@attrs.frozen(kw_only=True)
class Figures:
    """How much there is.

    Attributes:
        fixes: Fixes, each variant for itself.
        variants: Those of them that are one of several for the same recommendation and resource type.
        types: Resource types that have a fix.
        fixed: Recommendations with a fix.
        guided: Recommendations without a fix, of which is known what can be done.
        quick_fixes, no_quick_fixes: Fixes whose recommendation has a Fix button in the portal by Azure's documentation,
            and those whose recommendation is documented to have none.
    """

    fixes: int
    variants: int
    providers: int
    types: int
    fixed: int
    guided: int
    kinds: Counter[FixKind]
    impacts: Counter[Impact]
    ways_back: Counter[Reversibility]
    controls: Counter[str]
    evidence: Counter[Evidence | None]
    quick_fixes: int
    no_quick_fixes: int

    @property
    def known(self) -> int:
        """Recommendations that have an answer: a fix, or what can be done instead."""
        return self.fixed + self.guided


def figures(fixes: Iterable[FixAction], guidance: Iterable[Guidance]) -> Figures:
    """Count them."""
    counted = tuple(fixes)
    fixed = {fix.key.casefold() for fix in counted}
    return Figures(
        fixes=len(counted),
        variants=sum(bool(fix.variant) for fix in counted),
        providers=len(by_provider(counted)),
        types=len({fix.resource_type.casefold() for fix in counted}),
        fixed=len(fixed),
        guided=len({each.key.casefold() for each in guidance} - fixed),
        kinds=Counter(fix.kind for fix in counted),
        impacts=Counter(fix.impact for fix in counted),
        ways_back=Counter(fix.reversibility for fix in counted),
        controls=Counter(fix.control or UNKNOWN_CONTROL for fix in counted),
        evidence=Counter(fix.evidence for fix in counted),
        quick_fixes=sum(fix.quick_fix is True for fix in counted),
        no_quick_fixes=sum(fix.quick_fix is False for fix in counted),
    )


def rules_of(fix: FixAction) -> frozenset[Rule]:
    """The rules that are asked of a fix: those on bodies of a template as well as far as they can be."""
    return frozenset({Rule.IS_READABLE, *ON_THE_FIX, *(() if fix.kind is FixKind.TEMPLATE else ON_EACH_SAMPLE)})


def sentence(known: Figures) -> str:
    """The catalog in one line, for the README."""
    kinds = ", ".join(f"{known.kinds[kind]} {how}" for kind, how in _KINDS.items())
    recorded = known.evidence[Evidence.RECORDED]
    other_verb = known.evidence[Evidence.RECORDED_OTHER_VERB]
    return (
        f"**{known.fixes} fixes** for {known.fixed} recommendations, on {known.types} resource types of"
        f" {known.providers} resource providers: {kinds}. Azure was recorded accepting {recorded} of them as"
        f" they are sent and {other_verb} with the other method; the others follow the API specification. {known.guided}"
        " recommendations that no write can close have guidance instead."
    )


_KINDS = {FixKind.PATCH: "by PATCH", FixKind.PUT: "by PUT", FixKind.TEMPLATE: "by template"}


def by_provider(fixes: Iterable[FixAction]) -> dict[str, list[FixAction]]:
    """The fixes of each resource provider, in alphabetical order of providers, types and titles."""
    found: dict[str, list[FixAction]] = defaultdict(list)
    for fix in sorted(fixes, key=lambda fix: (fix.resource_type.casefold(), fix.title, fix.variant or "")):
        found[provider_of(fix.resource_type)].append(fix)
    return dict(found)


def provider_of(resource_type: str) -> str:
    """The resource provider of a type."""
    return resource_type.partition("/")[0]


def points() -> dict[str, int]:
    """The maximum score of each security control, as the simulator's tenant has it; worth most first."""
    folder = resources.files("defender_remediate.testing.simulator").joinpath("data")
    controls = loads(folder.joinpath("controls.json").read_text(encoding="utf-8"))
    known = {control["display_name"]: control["max_score"] for control in controls}
    return dict(sorted(known.items(), key=lambda item: (-item[1], item[0])))
