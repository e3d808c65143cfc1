"""Executors: the only code that sends changes to Azure."""

from defender_remediate.arm.reader import Reader
from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.executors.patch import PatchExecutor
from defender_remediate.executors.protocol import (
    FixExecutor,
    FollowingExecutor,
    Preview,
    PreviewContext,
    StepContext,
    Submission,
)
from defender_remediate.executors.template import TemplateExecutor
from defender_remediate.pauses import Pause
from defender_remediate.public_path import show_public_path

__all__ = [
    "ArmResponse",
    "ArmSession",
    "FixExecutor",
    "FollowingExecutor",
    "PatchExecutor",
    "Pause",
    "Preview",
    "PreviewContext",
    "Reader",
    "StepContext",
    "Submission",
    "TemplateExecutor",
]

show_public_path(__name__, __all__)
