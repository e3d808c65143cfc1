"""Every public callable with wrong values: it works, or raises a typed error that is short; never an error of Python's."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest

import defender_remediate
from defender_remediate import Catalog, RemediationClient
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.hooks import RunFinished
from defender_remediate.models import Guidance
from defender_remediate.testing import ArmSimulator

MODULES = ["catalog", "hooks", "journal", "models", "preflight", "reports"]
LONGEST = 340
# What a caller derives from, what a check of a caller's own is called with, and enumerations without a value from outside.
NOT_CALLED = {"ChainedJournal", "ChainedLog", "Subject", "StepFacts", "CheckReader", "checks_with", "permissions_for"}
NOT_CALLED |= {"run_checks", "redact_record", "encode_line", "Absent", "Phase"}


class Unprintable:
    """A value whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def wrong_values(*models: Any) -> list[Any]:
    """Nothing, numbers, strings, bytes, empty and endless collections, objects, functions, and the wrong models."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    return [
        *(
            None,
            5,
            -1,
            10**5000,
            "",
            "typo",
            "x" * 50_000,
            "a\x1b[31m\u202e\nb",
            b"x",
            float("nan"),
            float("inf"),
            True,
        ),
        *([], [None], [object()], {}, {5: 5}, {"typo": object()}, iter(()), set(), deep, object(), Unprintable(), type),
        *(datetime(2026, 1, 1), Path("typo"), lambda: None, *models),
    ]


def instances(*roots: Any) -> dict[type, Any]:
    """One value of each class in these values."""
    found: dict[type, Any] = {}
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if attrs.has(type(value)):
            found.setdefault(type(value), value)
            waiting += [getattr(value, field.name) for field in attrs.fields(type(value))]
        elif isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, Mapping):
            waiting += value.values()
    return found


def fault(call: Callable[..., Any], *values: Any, **arguments: Any) -> str | None:
    """What is wrong with the error of a call; None if it works or raises a good error."""
    try:
        result = call(*values, **arguments)
        if isinstance(result, Iterator):
            next(result, None)
    except DefenderRemediateError as error:
        shown = str(error)
        if len(shown) > LONGEST or "x" * 101 in shown:
            return f"{type(error).__name__} of {len(shown)} characters"
        return "shows control characters" if {"\x1b", "\u202e"} & set(shown) else None
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test looks for
        traceback = sys.exc_info()[2]
        # Python itself refuses a call that does not fit the signature.
        is_signature = isinstance(error, TypeError) and traceback is not None and traceback.tb_next is None
        return None if is_signature else f"{type(error).__name__}: {error}"[:100]
    return None


class World:
    """A client with a plan and a report, a value of each kind, and the faults that calls showed."""

    def __init__(self, sim: ArmSimulator, client: RemediationClient) -> None:
        self.recommendations = list(client.list_recommendations())
        self.plan = client.plan().limit(2)
        self.report = client.verify(client.apply(self.plan, approve=self.plan.digest))
        assessments = list(client.list_assessments())
        control = next(iter(client.list_controls()))
        finished, guidance = (
            RunFinished(report=self.report),
            Guidance(key="k", title="T", reason="retired", action="A."),
        )
        fixes, score = list(client.catalog), client.get_secure_score()
        self.values = instances(self.recommendations, assessments[:9], control, score, finished, guidance, fixes)
        self.values |= {RemediationClient: client, Catalog: client.catalog}
        self.models = [
            self.plan,
            self.report,
            self.recommendations[0],
            assessments[0],
            control,
            self.plan.steps[0],
            client,
        ]
        parameter = next(one for fix in fixes for one in fix.parameters if one.resource_type)
        self.arguments: dict[str, Any] = {
            "credential": sim.credential,
            "scope": sim.scopes,
            "transport": sim,
            "scopes": sim.scopes[0],
            "name": "x",
            "plan": self.plan,
            "approve": self.plan.digest,
            "run": self.report,
            "report": self.report,
            "other": self.plan,
            "key": self.recommendations[0].key,
            "recommendation": self.recommendations[0],
            "parameter": parameter,
            "resources": [assessments[0].resource_id],
            "resource_type": "Microsoft.Web/sites",
            "fixes": fixes[:1],
            "values": self.recommendations[:1],
            "document": self.report,
            "outcome": "applied",
            "impact": "none",
            "n": 1,
            "failed": 0,
            "tried": 1,
            "result": self.report.results[0],
            "text": "x",
            "category": "x",
            "moment": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "json": {},
            "row": {},
            "policy_definition_id": "x",
        }
        self.faults: list[str] = []

    def check(self, where: str, call: Callable[..., Any], **valid: Any) -> None:
        """Call with each wrong value for each parameter; the other parameters get valid ones."""
        try:
            parameters = [one for one in inspect.signature(call).parameters.values() if one.name not in ("self", "cls")]
        except (TypeError, ValueError):
            return
        usual = {**self.arguments, **valid}
        base = {one.name: usual[one.name] for one in parameters if one.name in usual and one.default is one.empty}
        for parameter in parameters:
            for wrong in wrong_values(*self.models):
                if parameter.kind is parameter.VAR_KEYWORD or (wrong is None and parameter.default is None):
                    continue
                if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                    found = fault(call, wrong)
                else:
                    found = fault(call, **{**base, parameter.name: wrong})
                if found and not any(known.startswith(f"{where}({parameter.name}=") for known in self.faults):
                    self.faults.append(f"{where}({parameter.name}={type(wrong).__name__}): {found}")

    def check_class(self, path: str, cls: type) -> None:
        """The constructor, the class methods, and the methods of a value of the class."""
        value = self.values.get(cls)
        if attrs.has(cls):
            fields = [field for field in attrs.fields(cls) if field.init]
            self.check(path, cls, **({field.alias: getattr(value, field.name) for field in fields} if value else {}))
        else:
            self.check(path, cls)
        for name, member in inspect.getmembers(cls):
            raw = inspect.getattr_static(cls, name)
            if name.startswith("_") or name in ("close", "mro") or isinstance(raw, property) or not callable(member):
                continue
            if isinstance(raw, (classmethod, staticmethod)):
                self.check(f"{path}.{name}", member)
            elif value is not None:
                self.check(f"{path}.{name}", getattr(value, name))


@pytest.fixture(scope="module")
def world() -> World:
    sim = ArmSimulator.demo()
    return World(
        sim,
        RemediationClient(
            sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=defender_remediate.MemoryJournal()
        ),
    )


def public_members(*modules: str) -> Iterator[tuple[str, Any]]:
    for name in modules:
        module = importlib.import_module(name)
        for member in module.__all__:
            if member not in NOT_CALLED and not getattr(getattr(module, member), "_is_protocol", False):
                yield f"{name}.{member}", getattr(module, member)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.exhaustive
def test_a_wrong_value_never_gets_an_error_of_python(world: World) -> None:
    """For each parameter of each public function, class and method: what cannot be understood is refused in a sentence."""
    checked = []
    for path, member in public_members("defender_remediate", *(f"defender_remediate.{name}" for name in MODULES)):
        if member in checked:
            continue
        checked.append(member)
        if inspect.isfunction(member):
            world.check(path, member)
        elif inspect.isclass(member) and not issubclass(member, BaseException):
            world.check_class(path, member)
    world.check("client.activity.list_events", world.values[RemediationClient].activity.list_events)
    found, world.faults = world.faults, []
    assert not found, "\n".join(found)


def test_what_was_not_awaited_is_refused(world: World) -> None:
    """A coroutine, most often of a client that is asynchronous, is named as what it is."""

    async def forgotten() -> None:
        """Nothing."""

    given = forgotten()
    assert fault(world.values[RemediationClient].plan, given) is None
    assert fault(world.values[Catalog].get, given) is None
    given.close()
