"""A second evaluator, written for reading instead of speed; it shares no code with `flagctl.evaluator`.

Start at `interpreter.py`: one short method per step of an evaluation. The other modules hold what the conditions need.
"""

from tests.reference.interpreter import Answer, Reference

__all__ = ["Answer", "Reference"]
