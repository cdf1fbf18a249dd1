"""Content files → Content: everything that is written in knowledge/content, typed and cross-referenced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .content import Entry, Guide, Item, Scenario
from .errors import ContentError
from .yaml_files import load_yaml_list, load_yaml_one

CONTENT_FOLDER = Path(__file__).with_name("content")


@dataclass
class Content:
    entries: dict[str, Entry] = field(default_factory=dict)
    guides: dict[str, Guide] = field(default_factory=dict)
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        yield from self.entries.values()
        yield from self.guides.values()
        yield from self.scenarios.values()

    def guides_of(self, service: str) -> list[Guide]:
        return [g for g in self.guides.values() if g.service == service]


def load_content(folder: Path = CONTENT_FOLDER) -> Content:
    """Reads all content. Raises ContentError at the first fault; collect_content gathers them all."""
    content, errors = collect_content(folder)
    if errors:
        raise errors[0]
    return content


def collect_content(folder: Path = CONTENT_FOLDER) -> tuple[Content, list[ContentError]]:
    content, errors = Content(), []
    for path in sorted(folder.rglob("*.yaml")):
        try:
            for item in _items_in(path, folder):
                _add(content, item, path)
        except ContentError as error:
            errors.append(error)
    return content, errors


def _items_in(path: Path, folder: Path) -> list[Entry] | list[Guide] | list[Scenario]:
    kind = path.relative_to(folder).parts[0]
    if kind == "guides":
        return [load_yaml_one(path, Guide)]
    if kind == "scenarios":
        return [load_yaml_one(path, Scenario)]
    return load_yaml_list(path, Entry)


def _add(content: Content, item: Item, path: Path) -> None:
    table: dict[str, Item] = {
        Entry: content.entries, Guide: content.guides, Scenario: content.scenarios,
    }[type(item)]  # type: ignore[assignment]
    if item.id in table:
        raise ContentError(str(path), 1, item.id, f"编号重复，已在 {content.files[item.id]} 中")
    table[item.id] = item
    content.files[item.id] = str(path)
