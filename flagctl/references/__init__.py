"""Where code names flags: a scan of texts, and for Python the syntax trees. Pure: who calls it reads the files."""

from flagctl.references.model import CodeReference, ReferenceKind, ReferenceSettings
from flagctl.references.scan import Scanner

__all__ = ["CodeReference", "ReferenceKind", "ReferenceSettings", "Scanner"]
