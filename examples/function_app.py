"""An Azure Function that plans for the resource of each event of continuous export, and writes the plans to a blob.

It changes nothing: a person or a pipeline reads a plan, and ``client.apply(plan, approve=plan.digest)`` applies it. The
identity of the function needs Security Reader and the read permissions of the fixes.
"""

from __future__ import annotations

import json
import logging

import azure.functions as func

from defender_remediate import AssessmentStatus, MemoryJournal, RemediationClient
from defender_remediate.errors import InvalidInputError
from defender_remediate.models import AssessmentEvent, latest_events

app = func.FunctionApp()
logger = logging.getLogger(__name__)


def connect() -> RemediationClient:
    """A client that signs in as the managed identity of the function."""
    from azure.identity import DefaultAzureCredential

    scope = "/subscriptions/00000000-0000-0000-0000-000000000000"
    return RemediationClient(DefaultAzureCredential(), scope, journal=MemoryJournal())


def read(message: func.EventHubEvent) -> list[AssessmentEvent]:
    """The assessments in a message. One that cannot be read is logged: it would fail again if it was retried."""
    try:
        return list(AssessmentEvent.list_from(message.get_body(), enqueued=message.enqueued_time))
    except InvalidInputError as error:
        logger.warning("skipped a message: %s", error)
        return []


@app.event_hub_message_trigger(
    arg_name="messages", event_hub_name="defender", connection="EVENT_HUB", cardinality=func.Cardinality.MANY
)
@app.blob_output(arg_name="plans", path="plans/{rand-guid}.json", connection="STORAGE")
def plan_for_events(messages: list[func.EventHubEvent], plans: func.Out[str]) -> None:
    """Plan for each resource that became unhealthy."""
    found = []
    with connect() as client:
        for event in latest_events(event for message in messages for event in read(message)):
            if not event.is_delete and event.assessment.status == AssessmentStatus.UNHEALTHY:
                plan = client.plan(event.assessment)
                logger.info("%s", plan)
                found.append(json.loads(plan.to_json()))
    if found:
        plans.set(json.dumps(found))
