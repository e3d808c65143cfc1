"""Secure scores and controls of several subscriptions as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.control import SecureScore, SecurityControl

_OFFICIAL = "ascscore"


def merge_controls(controls: Iterable[SecurityControl]) -> dict[str, SecurityControl]:
    """One control per name: resources summed, points over all of them. By name in lower case.

    A control that comes once is Azure's own, unchanged.
    """
    merged: dict[str, SecurityControl] = {}
    for control in controls:
        known = merged.get(fold(control.name))
        merged[fold(control.name)] = control if known is None else _joined(known, control)
    return merged


def _joined(first: SecurityControl, second: SecurityControl) -> SecurityControl:
    healthy = first.healthy_count + second.healthy_count
    unhealthy = first.unhealthy_count + second.unhealthy_count
    # Where nothing counts the maximum is 0, so it says nothing about what the control is worth.
    best = max(first.max_score, second.max_score)
    keys = {fold(key): key for key in (*second.recommendation_keys, *first.recommendation_keys)}
    order = dict.fromkeys(fold(key) for key in (*first.recommendation_keys, *second.recommendation_keys))
    return attrs.evolve(
        first,
        display_name=first.display_name or second.display_name,
        max_score=best,
        current_score=best * healthy / (healthy + unhealthy) if healthy + unhealthy else 0.0,
        healthy_count=healthy,
        unhealthy_count=unhealthy,
        not_applicable_count=first.not_applicable_count + second.not_applicable_count,
        recommendation_keys=tuple(keys[key] for key in order),
    )


def with_keys(control: SecurityControl, keys: Mapping[str, tuple[str, ...]]) -> SecurityControl:
    """The control with the assessment keys of its definition, unless it has keys already."""
    if control.recommendation_keys:
        return control
    return attrs.evolve(control, recommendation_keys=keys.get(fold(control.name), ()))


def by_potential(controls: Iterable[SecurityControl]) -> list[SecurityControl]:
    """The controls, highest potential increase first."""
    return sorted(
        controls,
        key=lambda control: (
            -round(control.potential_increase, 6),
            fold(control.display_name),
            fold(control.name),
        ),
    )


def official(scores: Iterable[tuple[str, SecureScore]]) -> list[SecureScore]:
    """Defender's own score of each subscription: a subscription may have other scores beside it."""
    chosen: dict[str, SecureScore] = {}
    for subscription, score in scores:
        key = fold(subscription)
        if key not in chosen or fold(score.name) == _OFFICIAL:
            chosen[key] = score
    return list(chosen.values())


def overall(scores: Iterable[SecureScore]) -> SecureScore:
    """One score for several subscriptions: points summed, the percentage an average with Azure's own weights.

    A single score is given back as Azure gave it; none at all is 0 of 0 points.
    """
    found = list(scores)
    if len(found) == 1:
        return found[0]
    weight = sum(score.weight for score in found)
    weighted = sum(score.percentage * score.weight for score in found)
    return SecureScore(
        current=sum(score.current for score in found),
        max=sum(score.max for score in found),
        percentage=weighted / weight if weight else 0.0,
        weight=weight,
        display_name=f"{len(found)} subscriptions" if found else None,
        subscription_count=len(found),
    )
