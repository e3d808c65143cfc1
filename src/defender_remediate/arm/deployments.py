"""Previews and starts template deployments.

The deployment uses Azure's own client with this library's pipeline and without its poller. The what-if does not, because
that client treats a what-if that ended Failed with HTTP 200 as a success (see ``docs/adr/0004``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError

from defender_remediate import wire
from defender_remediate.arm.errors import body_of, error_from_operation, translate
from defender_remediate.arm.operations import wait_for
from defender_remediate.arm.reader import Reader
from defender_remediate.arm.response import ArmResponse, check_object
from defender_remediate.arm.session import ArmSession
from defender_remediate.arm.urls import redact_url
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.json_values import thaw
from defender_remediate.models.step import PlannedRequest

API_VERSION = "2021-04-01"
"""Every cloud serves this version, and nothing newer is needed."""

_WHAT_IF_TIMEOUT = 600.0
_BETWEEN = "/providers/Microsoft.Resources/deployments/"


def what_if(reader: Reader, deployment: PlannedRequest) -> tuple[Mapping[str, Any], ...]:
    """The changes that a deployment would make, according to Azure. Changes nothing.

    Raises:
        OperationFailedError: The what-if failed, possibly with HTTP 200.
    """
    body = thaw(deployment.body)
    body["properties"]["whatIfSettings"] = {"resultFormat": "FullResourcePayloads"}
    path = f"{deployment.path}/whatIf"
    first = reader.post_query(path, api_version=deployment.api_version, body=body)
    answer = first
    if first.status == 202:
        answer = wait_for(
            reader,
            first,
            path=path,
            api_version=deployment.api_version,
            timeout=_WHAT_IF_TIMEOUT,
            final_via="location",
        )
    found = answer.body if isinstance(answer.body, Mapping) else {}
    state = str(found.get("status", ""))
    if fold(state) != "succeeded":
        raise error_from_operation(
            found, answer.headers, status=answer.status, state=state or "without a status", method="POST", url=first.url
        )
    properties = found.get("properties")
    changes = properties.get("changes") if isinstance(properties, Mapping) else None
    if not isinstance(changes, list) or not all(isinstance(change, Mapping) for change in changes):
        raise MalformedResponseError(f"POST {first.url}: the response has no array 'properties.changes' of objects")
    return tuple(changes)


def deploy(session: ArmSession, deployment: PlannedRequest) -> ArmResponse:
    """Start a deployment: one PUT, sent once. It continues in Azure when this function returns."""
    # A tenth of a second of import that a client which deploys nothing need not pay.
    from azure.mgmt.resource.deployments import DeploymentsMgmtClient

    scope, _, name = deployment.path.rpartition(_BETWEEN)
    url = f"{session.endpoint.base_url}{deployment.path}?api-version={deployment.api_version}"
    credential: Any = session.credential
    client: Any = DeploymentsMgmtClient(
        credential,
        "",
        base_url=session.endpoint.base_url,
        api_version=deployment.api_version,
        pipeline=session.pipeline,
        policies=[],
    )
    with translate("PUT", url):
        try:
            answer = client.deployments.begin_create_or_update_at_scope(
                scope.strip("/"),
                name,
                thaw(deployment.body),
                polling=False,
                cls=_raw,
                **session.request_options(),
            ).result()
        except HttpResponseError as error:
            # The client takes 200 and 201 only. With any other 2xx the deployment has begun as well.
            if error.response is None or not 200 <= (error.status_code or 0) < 300:
                raise
            answer = error.response
        except (ValueError, RecursionError) as error:
            # The client reads the answer before it hands it on, and lets what json raises through.
            raise MalformedResponseError(
                f"PUT {redact_url(url)}: the response is not JSON, or is truncated: {error}"
            ) from error
        received = body_of(answer)
    response = check_object(ArmResponse.of(answer, received, method="PUT", url=url))
    has_link = any(response.headers.get(name) for name in ("Azure-AsyncOperation", "Location"))
    if response.status in (200, 201) and not has_link and not _says_state(response.body):
        raise MalformedResponseError(f"PUT {response.url}: the response does not have the state of the deployment")
    return response


def _says_state(body: Any) -> bool:
    return isinstance(wire.pick(wire.pick(body, "properties"), "provisioningState"), str)


def _raw(pipeline_response: Any, _: Any, __: Any) -> Any:
    return pipeline_response.http_response
