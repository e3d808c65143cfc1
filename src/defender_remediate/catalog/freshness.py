"""Reads the dated manifest of what Azure has retired, replaced and blocked."""

from __future__ import annotations

import datetime
from functools import cache
from importlib import resources
from typing import Any

from defender_remediate.catalog.schema import POLICY, RESOURCE_TYPE
from defender_remediate.catalog.table import TomlTable
from defender_remediate.catalog.toml import parse
from defender_remediate.models.freshness import BlockedPlan, CatalogFreshness, RetiredRecommendation, RetiredService

_FILE = "azure.toml"


@cache
def bundled_freshness() -> CatalogFreshness:
    """The manifest of this package. It is read on the first call only."""
    file = resources.files("defender_remediate.catalog").joinpath("data").joinpath("freshness").joinpath(_FILE)
    return freshness(parse(file.read_text(encoding="utf-8")), source=_FILE)


def freshness(document: Any, *, source: str) -> CatalogFreshness:
    """The manifest in a document.

    Raises:
        CatalogError: Names the file and the key path of the first thing that is wrong.
    """
    table = TomlTable(document, source=source, path="")
    table.only(frozenset({"date", "plans", "recommendations", "services", "sources"}))
    return CatalogFreshness(
        date=_day(table, "date"),
        sources=table.strings("sources"),
        recommendations=tuple(_recommendation(each) for each in table.tables("recommendations")),
        services=tuple(_service(each) for each in table.tables("services")),
        plans=tuple(_plan(each) for each in table.tables("plans")),
    )


def _recommendation(table: TomlTable) -> RetiredRecommendation:
    table.only(
        frozenset(
            {"category", "key", "policies", "replaced_by", "resource_type", "retired_on", "source", "title", "titles"}
        )
    )
    return RetiredRecommendation(
        key=table.text("key"),
        title=table.text("title"),
        titles=table.strings("titles"),
        resource_type=table.text("resource_type", "", shape=RESOURCE_TYPE, like="Microsoft.Cache/redis"),
        policy_definition_ids=table.strings("policies", shape=POLICY, like="the bare name of a policy definition"),
        retired_on=table.day("retired_on"),
        replaced_by=table.strings("replaced_by"),
        category=table.text("category", ""),
        source=table.text("source"),
    )


def _service(table: TomlTable) -> RetiredService:
    table.only(frozenset({"name", "resource_type", "retired_on", "source", "successor"}))
    return RetiredService(
        name=table.text("name"),
        resource_type=table.text("resource_type", shape=RESOURCE_TYPE, like="Microsoft.Cache/redis"),
        retired_on=_day(table, "retired_on"),
        successor=table.text("successor", "", shape=RESOURCE_TYPE, like="Microsoft.Cache/redis"),
        source=table.text("source"),
    )


def _plan(table: TomlTable) -> BlockedPlan:
    table.only(frozenset({"blocked_on", "plan", "replaced_by", "source", "sub_plan"}))
    return BlockedPlan(
        plan=table.text("plan"),
        sub_plan=table.text("sub_plan", ""),
        blocked_on=_day(table, "blocked_on"),
        replaced_by=table.text("replaced_by"),
        source=table.text("source"),
    )


def _day(table: TomlTable, name: str) -> datetime.date:
    found = table.day(name)
    if found is None:
        raise table.error("is missing", name)
    return found
