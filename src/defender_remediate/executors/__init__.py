"""How a change travels to Azure. The only code that writes, and only the engine calls it."""

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
