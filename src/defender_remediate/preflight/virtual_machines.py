"""What a virtual machine does not accept: extensions when it is stopped or takes none, settings of a system it does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.arm_template import TemplateError, TemplateScope, evaluate
from defender_remediate.casing import fold
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, root_of, subscription_of
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

MACHINE_TYPE = "Microsoft.Compute/virtualMachines"
SCALE_SET_TYPE = "Microsoft.Compute/virtualMachineScaleSets"
_EXTENSION_TYPES = tuple(f"{fold(kind)}/extensions" for kind in (MACHINE_TYPE, SCALE_SET_TYPE))
_VERSIONS = ("2024-07-01", "2023-03-01")


@attrs.frozen(kw_only=True)
class MachineState:
    """A machine that gets an extension, and the extensions that it has."""

    body: Any
    extensions: tuple[Any, ...]


class VirtualMachineCheck:
    """Finds what Azure refuses for a virtual machine.

    An extension needs a running machine that allows extension operations, and one handler (publisher and type) can be
    installed only once. The settings below ``osProfile`` cannot be added to a machine that was created from a specialized
    disk and has none.
    """

    name = "virtual_machine"
    permissions = ("Microsoft.Compute/virtualMachines/extensions/read", "Microsoft.Compute/virtualMachines/read")
    resource_types = (MACHINE_TYPE, SCALE_SET_TYPE)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[MachineState | None]:
        """The machines that get an extension, with their power state; None for other steps."""

        def read(subject: Subject) -> MachineState | None:
            if not _writes_extension(subject, MACHINE_TYPE):
                return None
            machine = root_of(subject.written_id)
            body: Any = reader.get(machine, api_versions=_VERSIONS, params={"$expand": "instanceView"})
            extensions: tuple[Any, ...] = reader.list(f"{machine}/extensions", api_versions=_VERSIONS)
            return MachineState(body=body, extensions=extensions)

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[MachineState | None]) -> Iterator[CheckResult]:
        """What stands against one step."""
        machine = facts[subject]
        if machine is not None:
            yield from self._of_extension(subject, machine)
        elif _writes_extension(subject, SCALE_SET_TYPE):
            listed = wire.pick(subject.before, "value")
            yield from self._of_handlers(subject, listed if isinstance(listed, (list, tuple)) else ())
        elif isinstance(look_up(subject.before, "properties"), Mapping):
            changed = [
                change.path for change in subject.step.changes if fold(change.path).startswith("properties.osprofile")
            ]
            if changed and not isinstance(look_up(subject.before, "properties.osProfile"), Mapping):
                yield self._blocked(
                    "the machine has no osProfile, and Azure does not add one: it was created from a specialized disk",
                    "properties.osProfile: none",
                    "change the setting in the machine, or exempt the recommendation",
                )

    def _of_extension(self, subject: Subject, machine: MachineState) -> Iterator[CheckResult]:
        if look_up(machine.body, "properties.osProfile.allowExtensionOperations") is False:
            yield self._blocked(
                "the machine does not allow extension operations",
                "properties.osProfile.allowExtensionOperations: false",
                "set allowExtensionOperations to true first, or exempt the recommendation",
            )
        statuses = look_up(machine.body, "properties.instanceView.statuses")
        codes = [wire.text(item, "code") for item in statuses] if isinstance(statuses, (list, tuple)) else []
        power = next((code for code in codes if fold(code).startswith("powerstate/")), None)
        if power is None:
            # An endpoint that shows no instance view at all does not have one; see docs/adr/0007.
            is_offered = isinstance(look_up(machine.body, "properties.instanceView"), Mapping)
            yield CheckResult(
                check=self.name,
                status=CheckStatus.UNCHECKED if is_offered else CheckStatus.WARNING,
                message="Azure does not show whether the machine is running, and an extension needs a running machine",
                evidence=("properties.instanceView: no power state",),
                advice=f'if it is running, pass waive={{"{self.name}": "reason"}}',
            )
        elif fold(power) not in ("powerstate/running", "powerstate/starting"):
            yield self._blocked(
                "the machine is not running, and Azure installs extensions on running machines only",
                f"power state: {power.partition('/')[2]}",
                "start the machine, then plan again",
            )
        yield from self._of_handlers(subject, machine.extensions)

    def _of_handlers(self, subject: Subject, extensions: Sequence[Any]) -> Iterator[CheckResult]:
        """A machine or a scale set takes a handler under one name only."""
        for item in extensions:
            properties = wire.pick(item, "properties")
            publisher, kind = wire.text(properties, "publisher"), wire.text(properties, "type")
            name = wire.name(item).rpartition("/")[2]
            for written_name, written_publisher, written_kind in _written_extensions(subject):
                is_same = (fold(publisher), fold(kind)) == (fold(written_publisher), fold(written_kind))
                if is_same and fold(name) != fold(written_name):
                    yield self._blocked(
                        f"the extension {publisher}/{kind} is already installed under the name {name!r}",
                        f"{name}: {publisher}/{kind}",
                        f"update or remove the extension {name!r}; a machine takes one extension of a type",
                    )

    def _blocked(self, message: str, evidence: str, advice: str) -> CheckResult:
        return CheckResult(
            check=self.name, status=CheckStatus.BLOCKED, message=message, evidence=(evidence,), advice=advice
        )


def _writes_extension(subject: Subject, kind: str) -> bool:
    actions = {fold(action) for action in subject.actions}
    return f"{fold(kind)}/extensions/write" in actions and not subject.step.is_removal


def _written_extensions(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Name, publisher and type of each extension in the request; the expressions of a template are evaluated."""
    body = subject.step.request.body
    if not subject.is_deployment:
        properties = wire.pick(body, "properties")
        name = subject.step.target_id.rpartition("/")[2]
        yield name, wire.text(properties, "publisher"), wire.text(properties, "type")
        return
    template = wire.mapping(look_up(body, "properties.template"))
    declared = wire.mapping(wire.pick(template, "parameters"))
    given = wire.mapping(look_up(body, "properties.parameters"))
    path = subject.step.request.path
    scope = TemplateScope(
        subscription_id=subscription_of(path),
        resource_group=group_of(path).rpartition("/")[2],
        deployment=path.rpartition("/")[2],
        parameters={
            **{name: wire.pick(one, "defaultValue") for name, one in declared.items()},
            **{name: wire.pick(one, "value") for name, one in given.items()},
        },
        variables=wire.mapping(wire.pick(template, "variables")),
    )
    found = wire.pick(template, "resources")
    resources = found.values() if isinstance(found, Mapping) else found if isinstance(found, (list, tuple)) else ()
    for resource in resources:
        if fold(wire.text(resource, "type")) not in _EXTENSION_TYPES:
            continue
        properties = wire.pick(resource, "properties")
        try:
            name = wire.text(evaluate(wire.text(resource, "name"), scope)).rpartition("/")[2]
            publisher, kind = (wire.text(evaluate(wire.text(properties, key), scope)) for key in ("publisher", "type"))
        except TemplateError:
            # Only Azure can tell: then its what-if is the check.
            continue
        yield name, publisher, kind
