"""Parameters that name a resource which does not exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import ForbiddenError, NotFoundError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, root_of, subscription_of, type_of
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2021-04-01",)
_MISSING_SCOPE = ("subscriptionnotfound", "resourcegroupnotfound")


class ParameterCheck:
    """Finds parameters whose resource, or the top-level resource above it, is not among those of its subscription.

    Azure lists the resources of a type in one request, so that a parameter of many steps is looked up once. A resource that
    was created a moment ago may not be listed yet.
    """

    name = "parameter"
    # The role for a fix with such a parameter lists resources anyway, to offer a choice.
    permissions: tuple[str, ...] = ()

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[str]]:
        """The names of the parameters whose resource is not listed."""

        def listed_at(scope: str, kind: str) -> tuple[str, ...]:
            return reader.list(
                f"{scope}/resources",
                api_versions=_VERSIONS,
                params={"$filter": f"resourceType eq '{kind}'"},
                parse=_folded_id,
            )

        def is_listed(resource_id: str) -> bool:
            kind = type_of(root_of(resource_id))
            try:
                listed = listed_at(f"/subscriptions/{subscription_of(resource_id)}", kind)
            except ForbiddenError:
                listed = listed_at(group_of(resource_id), kind)
            return fold(root_of(resource_id)) in listed

        def exists(resource_id: str) -> bool:
            try:
                return is_listed(resource_id)
            except NotFoundError as error:
                if fold(error.code or "") not in _MISSING_SCOPE:
                    raise
                return False

        def read(subject: Subject) -> list[str]:
            named = [
                name
                for name, value in subject.parameters.items()
                if isinstance(value, str) and fold(value).startswith("/subscriptions/") and type_of(value)
            ]
            return [name for name in named if not exists(str(subject.parameters[name]))]

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[str]]) -> Iterator[CheckResult]:
        """One result for each such parameter."""
        for name in facts[subject]:
            value = subject.parameters[name]
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the parameter {name!r} names a resource that does not exist: {value}",
                evidence=(f"{root_of(value)}: not among the resources that the caller can see",),
                advice=f"pass the id of an existing resource as {name}; list_parameter_choices lists the possible values",
            )


def _folded_id(item: object) -> str:
    return fold(wire.text(item, "id"))
