"""Risk: how bad a recommendation is on one resource, and whether its context was assessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.enums import OpenEnum
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value


class RiskLevel(OpenEnum):
    """A risk level. It says more than the severity only where ``Risk.is_contextual`` is true."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"
    NONE = "None"


_ASCENDING = (RiskLevel.NONE, RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH, RiskLevel.CRITICAL)


@notebook
@attrs.frozen(kw_only=True)
class Risk(Value):
    """The risk that Defender for Cloud reports for one recommendation on one resource.

    Since 11 March 2026 Azure reports a level everywhere. Without the plan Defender CSPM it is a copy of the severity, which
    says nothing about the context of the resource.

    Attributes:
        level: None when Azure names none.
        factors: The risk factors, as Azure names them.
        is_contextual: Whether the level comes from the context of the resource. False unless Azure says so explicitly.
        attack_paths: Azure's references to the attack paths that the recommendation is part of.
    """

    _computed: ClassVar[tuple[str, ...]] = ("basis",)
    level: RiskLevel | None = None
    factors: tuple[str, ...] = ()
    is_contextual: bool = False
    attack_paths: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Risk | None:
        """Decode ``properties.risk`` of an assessment; None when there is nothing in it."""
        if not json:
            return None
        level = wire.text(json, "level")
        contextual = wire.pick(json, "isContextualRisk")
        return cls(
            level=RiskLevel(level) if level else None,
            factors=wire.strings(json, "riskFactors"),
            # Only an explicit true counts. Azure writes some booleans as strings.
            is_contextual=contextual is True or (isinstance(contextual, str) and fold(contextual) == "true"),
            attack_paths=wire.strings(json, "attackPathsReferences"),
        )

    @property
    def basis(self) -> str:
        """What the level comes from: ``contextual`` or ``derived from severity``."""
        return "contextual" if self.is_contextual else "derived from severity"

    def __str__(self) -> str:
        details = [self.basis, *self.factors]
        if self.attack_paths:
            count = len(self.attack_paths)
            details.append(f"on {count} attack {'path' if count == 1 else 'paths'}")
        return one_line(f"{self.level or 'not known'} ({', '.join(details)})")


def worse(first: Risk | None, second: Risk | None) -> Risk | None:
    """The worse of two risks, the same in either order; None is the least of all.

    A level that is not known here counts as lower than any known one.
    """
    if first is None or second is None:
        return second if first is None else first
    return max(first, second, key=_rank)


def _rank(risk: Risk) -> tuple[int, bool, int, tuple[str, ...], tuple[str, ...], str]:
    level = _ASCENDING.index(risk.level) if risk.level in _ASCENDING else -1
    return (
        level if risk.level else -2,
        risk.is_contextual,
        len(risk.attack_paths),
        risk.factors,
        risk.attack_paths,
        str(risk.level),
    )
