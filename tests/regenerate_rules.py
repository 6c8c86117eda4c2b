"""Write docs/rules.md anew: python -m tests.regenerate_rules."""

from __future__ import annotations

from pathlib import Path

from flagctl.lint.docs import rules_page

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"

if __name__ == "__main__":
    PAGE.write_text(rules_page(), encoding="utf-8")
