"""Executors: how a change is sent to Azure. The only code that writes, called by ``execution`` only."""

from defender_remediate.executors.patch import PatchExecutor
from defender_remediate.executors.protocol import FixExecutor, Preview, PreviewContext, StepContext, Submission
from defender_remediate.executors.template import TemplateExecutor

__all__ = [
    "FixExecutor",
    "PatchExecutor",
    "Preview",
    "PreviewContext",
    "StepContext",
    "Submission",
    "TemplateExecutor",
]
