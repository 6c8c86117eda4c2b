"""What a change of flag files means: for whom, how badly, and where it is written.

Works on two loaded repositories (`before`, `after`) and never looks at lines: formatting, comments and moved files are no
change.
"""

from flagctl.review.changes import Category, Change, Place, RepositoryDiff
from flagctl.review.diff import diff_repositories, diff_sides

__all__ = ["Category", "Change", "Place", "RepositoryDiff", "diff_repositories", "diff_sides"]
