"""Vier Stände derselben Datei: Stufe 1, 3 und 4 liegen hier, Stufe 2 ist
`workflow.py`.
"""

from kapitel08.patching import workflow
from kapitel08.patching.stages import v1, v3, v4

STAGES: dict[int, type] = {
    1: v1.OrderWorkflow,
    2: workflow.OrderWorkflow,
    3: v3.OrderWorkflow,
    4: v4.OrderWorkflow,
}
