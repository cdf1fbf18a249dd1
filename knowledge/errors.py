"""KnowledgeError
├── ContentError    a content file is wrong: file, line, field, reason
└── NotFound        no such entry, guide, law or parameter
"""

from __future__ import annotations

from dataclasses import dataclass


class KnowledgeError(Exception):
    """Anything this package raises on purpose."""


@dataclass
class ContentError(KnowledgeError):
    file: str
    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.field}: {self.reason}"


class NotFound(KnowledgeError):
    pass
