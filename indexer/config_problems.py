"""How leverage.toml's mistakes are told: the line at fault, the key, what is wrong, what to write instead."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from indexer.errors import BadConfig

Key = tuple[str | int, ...]
"""Where a value is in the file: table names, keys, positions in lists."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_VARIABLE = re.compile(r"\$\{([^}]*)\}?")


class Problem(NamedTuple):
    """One mistake. `line` is found from the key when it is None."""

    key: Key
    wrong: str
    line: int | None = None


@dataclass(frozen=True)
class Source:
    """A configuration file's text, and where in it a key stands."""

    path: Path
    text: str

    def line_in(self, message: str) -> int | None:
        """Return the line that tomllib names in its message."""
        found = re.search(r"at line (\d+)", message)
        if found:
            return int(found[1])
        return len(self.text.splitlines()) or 1 if "at end of document" in message else None

    def lines(self) -> dict[Key, int]:
        """Return the line of every table and key, the first where one repeats."""
        found: dict[Key, int] = {}
        table: Key = ()
        repeats: dict[Key, int] = {}
        for number, line in enumerate(self.text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = tuple(_split(header[2]))
                if header[1] == "[[":
                    repeats[table] = repeats.get(table, -1) + 1
                    table = (*table, repeats[table])
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                found.setdefault((*table, *_split(key[1])), number)
        return found

    def bad(self, problems: Collection[Problem]) -> BadConfig:
        """Return the error that tells all problems, in the order of the file."""
        lines = self.lines()
        told = []
        for key, wrong, line in problems:
            where = line or next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
            told.append(
                (where or 0, f"{self.path}{f':{where}' if where else ''}: {f'{show(key)}: ' if key else ''}{wrong}")
            )
        return BadConfig("\n".join(line for _, line in sorted(told, key=lambda pair: pair[0])))


def _split(dotted: str) -> Iterator[str]:
    for part in re.findall(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""", dotted):
        yield part.strip("\"'")


def show(key: Key) -> str:
    """Return a key as people write it: `chain.ethereum.rpc[1]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key).removeprefix(".")


def suggest(wrong: str, right: Collection[str]) -> str:
    """Return `; did you mean ...?`, or the list of what there is."""
    close = get_close_matches(wrong, list(right), n=1, cutoff=0.6)
    close = close or [name for name in right if name.lower() == wrong.lower()]
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; write one of: {', '.join(sorted(right))}" if right else ""


def substitute(tree: dict[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Replace ${NAME} in every string by the environment's value; tell the names that have none."""
    problems: list[Problem] = []

    def walk(value: Any, key: Key) -> Any:
        if isinstance(value, dict):
            return {name: walk(inner, (*key, name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, (*key, n)) for n, inner in enumerate(value)]
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: fill(found[0], found[1], key), value)
        return value

    def fill(written: str, name: str, key: Key) -> str:
        if not written.endswith("}") or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            problems.append(Problem(key, f"{written} does not name an environment variable; write it like ${{NAME}}"))
        elif name not in os.environ:
            problems.append(Problem(key, f"the environment variable {name} is not set; run `export {name}=...` first"))
        elif not os.environ[name]:
            problems.append(Problem(key, f"the environment variable {name} is empty; run `export {name}=...` first"))
        return os.environ.get(name, "")

    return walk(tree, ()), problems


_WORDS = {
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number; write it without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number; write it without quotes",
    "float_parsing": "must be a number; write it without quotes",
    "bool_type": "must be true or false, without quotes",
    "tuple_type": 'must be a list; write it in brackets: ["..."]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "path_type": "must be a path; put it in quotes",
    "string_pattern_mismatch": "may hold lower-case letters, digits and _ only; write for example my_market",
    "too_short": 'must not be empty; write for example { Pool = "0x..." }',
}


_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def explain(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Turn pydantic's findings into problems. Values are not repeated: they may hold secrets."""
    return [_problem(finding, root) for finding in error.errors(include_url=False)]


def _problem(finding: Any, root: type[BaseModel]) -> Problem:
    key: Key = tuple(part for part in finding["loc"] if part != "[key]")
    kind, context = finding["type"], finding.get("ctx", {})
    if kind == "extra_forbidden":
        return Problem(key, f"unknown key{suggest(str(key[-1]), _fields_at(root, key[:-1]))}")
    if kind == "missing":
        return Problem(key, f"is missing; add the line `{key[-1]} = ...`")
    if kind == "value_error":
        return Problem(key, str(context["error"]))
    if kind == "literal_error":
        return Problem(key, f"write one of: {context['expected']}")
    if kind in _LIMITS:
        words, limit = _LIMITS[kind]
        return Problem(key, f"must be {words} {context[limit]}")
    return Problem(key, _WORDS.get(kind, finding["msg"]))


def _fields_at(root: type[BaseModel], key: Key) -> list[str]:
    """Return the keys that the table at `key` may have."""
    kind: Any = root
    for part in key:
        kind = kind.model_fields[str(part)].annotation if _is_model(kind) else next(filter(_is_model, get_args(kind)))
    return [name for name, field in kind.model_fields.items() if not field.exclude]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
