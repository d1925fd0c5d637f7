"""A plan file as a tree that knows where every key and value stands."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

Part = str | int
Path = tuple[Part, ...]
Scalar = str | int | float | bool | None
Kind = Literal["mapping", "sequence", "scalar", "absent"]

MAX_NODES = 20_000
"""More values than any plan has; stops aliases that multiply each other."""
MAX_DEPTH = 30
MAX_BRACKETS = 300
"""Open brackets at once; far beyond it the parser takes seconds to give up."""


@dataclass(frozen=True, order=True)
class Mark:
    """A place in the file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Finding:
    """Something wrong at a place; becomes a PlanError once the file name is added."""

    mark: Mark
    path: Path
    message: str
    hint: str


@dataclass
class Node:
    """One value of the file. Asking a node for what it is not gives an absent node, never an exception."""

    kind: Kind
    path: Path
    mark: Mark
    key_mark: Mark | None = None
    value: Scalar = None
    children: dict[Part, Node] = field(default_factory=dict)

    def __getitem__(self, part: Part) -> Node:
        found = self.children.get(part)
        return found if found is not None else Node("absent", (*self.path, part), self.home)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.children.values())

    @property
    def home(self) -> Mark:
        """Where to point when something inside is missing: the key, else the value."""
        return self.key_mark or self.mark

    @property
    def present(self) -> bool:
        """True when the file has this key with a value other than null."""
        return self.kind in {"mapping", "sequence"} or (self.kind == "scalar" and self.value is not None)

    @property
    def text(self) -> str | None:
        """The value when it is text that is not blank, else None."""
        return self.value if isinstance(self.value, str) and self.value.strip() else None

    def plain(self) -> Any:
        """Return dicts, tuples and scalars, as strict models want them."""
        if self.kind == "mapping":
            return {str(part): child.plain() for part, child in self.children.items()}
        if self.kind == "sequence":
            return tuple(child.plain() for child in self.children.values())
        return self.value

    def walk(self) -> Iterator[Node]:
        """This node and everything below, in the order of the file."""
        yield self
        for child in self:
            yield from child.walk()


def key_path(path: Sequence[Part]) -> str:
    """Return ``databases[2].name``; keys that are not plain words are quoted in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


class UnparsableError(Exception):
    """The file cannot be read as one YAML document at all."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def parse(text: str) -> tuple[Node, list[Finding]]:
    """Parse a plan's text. Raises UnparsableError; other findings (duplicate keys, tags) come back beside the tree."""
    if _most_open_brackets(text) > MAX_BRACKETS:
        raise UnparsableError(_finding(1, 1, "nested too deeply to be a plan", "Write the plan flat."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a reused anchor is legal YAML
            tree = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise UnparsableError(_finding(1, 1, "nested too deeply to be a plan", "Write the plan flat.")) from None
    except YAMLError as e:
        raise UnparsableError(_syntax(e, text)) from None
    except (ValueError, OverflowError, AttributeError, TypeError) as e:  # ruamel's own slips on odd input
        raise UnparsableError(_finding(1, 1, "not valid YAML", f"The parser says: {e}.")) from None
    if tree is None:
        raise UnparsableError(_finding(1, 1, "the file is empty", "Write a first plan with `runbook init`."))
    builder = _Builder()
    return builder.build(tree, (), None), builder.findings


def _most_open_brackets(text: str) -> int:
    steps = (1 if c in "[{" else -1 for c in text if c in "[]{}")
    return max(accumulate(steps), default=0)


def _finding(line: int, column: int, message: str, hint: str) -> Finding:
    return Finding(Mark(line, column), (), message, hint)


def _syntax(error: YAMLError, text: str) -> Finding:
    if isinstance(error, ReaderError):
        position = int(error.position)
        line = text.count("\n", 0, position) + 1
        column = position - (text.rfind("\n", 0, position) + 1) + 1
        return _finding(line, column, "a control character that YAML does not allow", "Remove the invisible character.")
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    problem = str(getattr(error, "problem", None) or "not valid YAML").splitlines()[0]
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return _explain(problem, line, column, text)


def _explain(problem: str, line: int, column: int, text: str) -> Finding:
    lines = text.splitlines()
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    blank = source[: len(source) - len(source.lstrip())]
    if "\t" in blank or "'\\t'" in problem:
        return _finding(line, column, "a tab where YAML wants spaces", "Indent with spaces only.")
    if "another document" in problem:
        return _finding(line, column, "a second document begins here", "Keep one plan in one file; remove the `---`.")
    hint = "Look at this line and the one before it: a colon, quote, bracket or indentation is off."
    return _finding(line, column, f"not valid YAML: {problem}", hint)


class _Builder:
    """Turns the parser's tree into Nodes and notes what a plan may not contain."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._count = 0
        self._open: set[int] = set()

    def build(self, raw: Any, path: Path, key_mark: Mark | None) -> Node:
        self._count += 1
        mark = _mark(raw)
        if self._count > MAX_NODES or id(raw) in self._open:
            raise UnparsableError(Finding(mark, path, "aliases that never end", "Write the values out."))
        if len(path) > MAX_DEPTH:
            raise UnparsableError(Finding(mark, path[:3], "nested too deeply to be a plan", "Write the plan flat."))
        self._check_tag(raw, mark, path)
        self._open.add(id(raw))
        node = Node("scalar", path, mark, key_mark)
        if isinstance(raw, MappingNode):
            node.kind = "mapping"
            self._mapping(raw, node)
        elif isinstance(raw, SequenceNode):
            node.kind = "sequence"
            node.children = {i: self.build(item, (*path, i), None) for i, item in enumerate(raw.value)}
        else:
            node.value = scalar_value(str(raw.tag or "").rpartition(":")[2], str(raw.value))
        self._open.discard(id(raw))
        return node

    def _mapping(self, raw: MappingNode, node: Node) -> None:
        for key, value in raw.value:
            mark = _mark(key)
            if not isinstance(key, ScalarNode):
                hint = "Use a word as the key."
                self.findings.append(Finding(mark, node.path, "a list or mapping used as a key", hint))
                continue
            name = str(key.value)
            if name in node.children:
                first = node.children[name].home.line
                hint = f"It is given in line {first} already; keep one of them."
                self.findings.append(Finding(mark, (*node.path, name), "duplicate key", hint))
                continue
            node.children[name] = self.build(value, (*node.path, name), mark)

    def _check_tag(self, raw: Any, mark: Mark, path: Path) -> None:
        tag = str(raw.tag or "")
        if not tag.startswith("tag:yaml.org,2002:") or "python" in tag:
            self.findings.append(Finding(mark, path, "a YAML tag", "Write the plain value without a `!tag`."))


def scalar_value(tag: str, text: str) -> Scalar:
    """Return what a scalar means; what does not convert (dates, odd numbers) stays text."""
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in {"true", "yes", "on"}
    try:
        if tag == "int":
            return int(text.replace("_", ""), 0)
        if tag == "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        pass
    return text


def _mark(raw: Any) -> Mark:
    return Mark(raw.start_mark.line + 1, raw.start_mark.column + 1)
