"""Git: revisions of a flag repository as trees of files, ancestry, and commits.

The work tree, the index and HEAD are never touched by reading. This is the only package that imports GitPython; bulk
reads go through git's own plumbing, because one `git show` per file takes half a minute for 10 000 files where
`cat-file --batch` takes a fifth of a second.
"""

from flagctl.vcs.repository import CommitInfo, GitRepository, no_git_env

__all__ = ["CommitInfo", "GitRepository", "no_git_env"]
