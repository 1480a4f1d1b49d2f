"""How the code is kept: sizes, branches, duplicates, words, layers, documentation; of any checkout, to compare two.

    python benchmarks/house.py [--root PATH] [--json] [--list MEASURE] [--write [--label TEXT]]

Needs nothing but Python. `--list duplicates` shows the places behind a figure. `--write` appends the figures with
version and commit to results/house.jsonl. A quarter of a minute.

Duplicates are pairs of places with at least 6 equal lines in a row, after white space, comments, docstrings, imports
and lines of brackets alone are left out. A parameter list is without self and cls. Positional booleans are those in
calls, but for methods such as `dict.get` that take values of any kind.
"""

from __future__ import annotations

import argparse
import ast
import bisect
import functools
import io
import itertools
import json
import re
import subprocess
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import harness
from house_words import DATA, EVERYWHERE, FIRST_WORDS, IN_SOURCE

AREAS = ("src", "tests")
TEXTS = ("src", "tests", "docs", "benchmarks", "recipes", "examples", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
MANY_MODULES, LONG_FUNCTION, MANY_PARAMETERS, WINDOW = 20, 60, 8, 6
# of ruff's FBT003, and a few of the same kind
ANY_VALUE = {"append", "bool", "dict", "float", "fromkeys", "get", "getattr", "index", "insert", "int", "isinstance",
             "next", "param", "pop", "print", "repr", "setattr", "setdefault", "str", "type"}  # fmt: skip
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, eq=False)
class Module:
    """A file of Python. name: its path under the root."""

    name: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.name)

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self.text.splitlines())


def read_modules(root: Path, area: str) -> list[Module]:
    """Modules of one area, by name; a file that this Python cannot parse ends the run."""
    found = sorted(path for path in (root / area).rglob("*.py") if "__pycache__" not in path.parts)
    return [Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in found]


# --- sizes


def sizes(modules: list[Module]) -> dict[str, Any]:
    """Modules per folder and lines per file; `__init__.py` counts as a file, not as a module of its folder."""
    folders = Counter(m.name.rpartition("/")[0] for m in modules if not m.name.endswith("/__init__.py"))
    lines = {m.name: m.lines for m in modules}
    return {
        "modules": folders.total(),
        "lines": sum(lines.values()),
        "largest folder": _largest(folders),
        "folders above 20": [f"{name} {count}" for name, count in folders.most_common() if count > MANY_MODULES],
        "median file": median(lines.values()) if lines else 0,
        "longest file": _largest(lines),
    }


def _largest(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    name = max(counts, key=lambda name: (counts[name], name))
    return f"{counts[name]} {name}"


# --- branches and calls


def nodes(modules: list[Module], *kinds: type[ast.AST]) -> Iterator[tuple[Module, Any]]:
    """Each node of these kinds, with its module."""
    for module in modules:
        yield from ((module, node) for node in module.nodes if isinstance(node, kinds))


def places(found: Iterable[tuple[Module, Any]]) -> list[str]:
    """The places of nodes: "file:line", with the name of what has one."""
    return [f"{m.name}:{node.lineno} {getattr(node, 'name', '')}".rstrip() for m, node in found]


def forms(modules: list[Module]) -> dict[str, list[str]]:
    """Places of what makes code hard to read."""
    return {
        "functions over 60 lines": places(
            (m, node) for m, node in nodes(modules, *FUNCTIONS) if node.end_lineno - node.lineno >= LONG_FUNCTION
        ),
        "more than 8 parameters": places(
            (m, node) for m, node in nodes(modules, *FUNCTIONS) if len(parameters(node)) > MANY_PARAMETERS
        ),
        "conditional expressions": places(nodes(modules, ast.IfExp)),
        "nested conditional expressions": places(
            (m, node) for m, node in nodes(modules, ast.IfExp) if any(map(_has_condition, ast.iter_child_nodes(node)))
        ),
        "walrus": places(nodes(modules, ast.NamedExpr)),
        "positional booleans": places((m, node) for m, node in nodes(modules, ast.Call) if _passes_boolean(node)),
        "imports inside functions": places(_inner_imports(modules)),
    }


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Parameters of a function, without the first one of methods."""
    at = node.args
    named = [*at.posonlyargs, *at.args]
    if named and named[0].arg in ("self", "cls"):
        named = named[1:]
    return [*named, *at.kwonlyargs, *(one for one in (at.vararg, at.kwarg) if one)]


def _has_condition(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.IfExp) for inner in ast.walk(node))


def _passes_boolean(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in ANY_VALUE:
        return False
    return any(isinstance(value, ast.Constant) and isinstance(value.value, bool) for value in call.args)


def _inner_imports(modules: list[Module]) -> list[tuple[Module, ast.stmt]]:
    found = {}  # a nested function's imports are those of the outer one too
    for module, function in nodes(modules, *FUNCTIONS):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found[id(node)] = (module, node)
    return list(found.values())


# --- duplicates


def normalised(module: Module) -> list[tuple[int, str]]:
    """(line number, tokens) of each line that tells something."""
    imports = {
        line
        for node in module.nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines: defaultdict[int, list[str]] = defaultdict(list)
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    docstrings = {node.body[0].lineno for node in module.nodes if isinstance(node, DOCUMENTED) and _docstring(node)}
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        if token.type not in silent and token.start[0] not in imports and token.start[0] not in docstrings:
            lines[token.start[0]].append(token.string)
    kept = ((number, " ".join(words)) for number, words in sorted(lines.items()))
    return [(number, line) for number, line in kept if re.search(r"\w", line)]


def _docstring(node: ast.AST) -> str | None:
    return ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None


def duplicates(modules: list[Module], window: int = WINDOW) -> list[str]:
    """Pairs of places with `window` or more equal lines: "file:line = file:line (lines)", the longest first."""
    texts = [normalised(module) for module in modules]
    at: defaultdict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for m, lines in enumerate(texts):
        for start in range(len(lines) - window + 1):
            at[tuple(line for _, line in lines[start : start + window])].append((m, start))
    windows = {pair for same in at.values() for pair in itertools.combinations(same, 2)}
    pairs = []
    for (m, a), (n, b) in sorted(windows):
        if ((m, a - 1), (n, b - 1)) in windows:
            continue  # within a block that began above
        length = window
        while ((m, a + length - window + 1), (n, b + length - window + 1)) in windows:
            length += 1
        if m == n and b - a < window:
            continue  # a run of lines that are alike, beside itself
        first, second = f"{modules[m].name}:{texts[m][a][0]}", f"{modules[n].name}:{texts[n][b][0]}"
        pairs.append((-length, f"{first} = {second} ({length})"))
    return [text for _, text in sorted(pairs)]


# --- words


def words_left(root: Path, modules: list[Module]) -> dict[str, list[str]]:
    """Phrase, with its better wording → places. The files of this script are left out."""
    files = [path for name in TEXTS for path in _text_files(root / name)]
    texts = {path.relative_to(root).as_posix(): one_line(path.read_text(encoding="utf-8")) for path in files}
    found: dict[str, list[str]] = {}
    for words, among in ((EVERYWHERE, TEXTS), (IN_SOURCE, ("src",))):
        for phrase, better in words.items():
            found[f"{phrase} → {better}"] = [
                f"{name}:{bisect.bisect(starts, match.start())} {match[0]}"
                for name, (text, starts) in texts.items()
                if name.startswith(among)
                for match in re.finditer(phrase, text, re.IGNORECASE)
                if not re.fullmatch(DATA.get(name, "(?!)"), match[0], re.IGNORECASE)
            ]
    for phrase, better in FIRST_WORDS.items():
        begins = re.compile(phrase)
        found[f"docstring: {phrase} → {better}"] = [
            f"{m.name}:{getattr(node, 'lineno', 1)}"
            for m, node in nodes(modules, *DOCUMENTED)
            if begins.match(_docstring(node) or "")
        ]
    return {key: where for key, where in found.items() if where}


def one_line(text: str) -> tuple[str, list[int]]:
    """A text's lines as one, joined by single spaces, and where each line begins in it."""
    lines = [re.sub(r"\s+", " ", re.sub(r"^#+ ", "", line.strip())) for line in text.splitlines()]
    starts = list(itertools.accumulate((len(line) + 1 for line in lines), initial=0))
    return " ".join(lines), starts[: len(lines)]


def _text_files(path: Path) -> list[Path]:
    """Python and Markdown below a path, without what tests read (`tests/data`) and this script's own files."""
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    kept = [one for one in found if one.suffix in (".py", ".md") and "__pycache__" not in one.parts]
    own = re.compile(r"(test_)?house(_words)?\.py")
    return [one for one in kept if not own.fullmatch(one.name) and path / "data" not in one.parents]


# --- layers


def read_layers(root: Path) -> dict[str, int] | None:
    """Part of the package → rank, as the tests' literal LAYERS says; None where there is none."""
    for path in sorted((root / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"^LAYERS\b.*=", text, re.MULTILINE):
            continue
        for node in ast.parse(text).body:
            named = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(name, ast.Name) and name.id == "LAYERS" for name in named):
                try:
                    rows = ast.literal_eval(node.value)  # type: ignore[attr-defined]
                    return {part.replace("/", "."): rank for rank, row in enumerate(rows) for part in row}
                except (ValueError, TypeError, AttributeError):
                    return None
    return None


def upward(modules: list[Module], rank: dict[str, int]) -> list[str]:
    """Imports of the package's own modules that lie in the same layer or above."""
    found = []
    for module, node in nodes(modules, ast.Import, ast.ImportFrom):
        _, package, *inner = module.name.removesuffix(".py").split("/")
        here = _ranked(inner, rank)
        for name in _imported(node, package):
            there = _ranked(name.split(".")[1:], rank) if name.split(".")[0] == package else None
            if here and there and here != there and rank[there] >= rank[here]:
                found.append(f"{module.name}:{node.lineno} {name}")
    return found


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.module == package:
        return [f"{package}.{alias.name}" for alias in node.names]
    return [node.module or ""]


def _ranked(path: list[str], rank: dict[str, int]) -> str | None:
    """The longest beginning of a path that has a rank."""
    names = (".".join(path[:length]) for length in range(len(path), 0, -1))
    return next((name for name in names if name in rank), None)


# --- documentation


def public(modules: list[Module]) -> Iterator[tuple[Module, Any]]:
    """Functions, classes and their methods whose names, and whose module's, begin with no underscore."""
    for module in modules:
        parts = module.name.removesuffix("/__init__.py").split("/")
        if any(part.startswith("_") for part in parts):
            continue
        waiting = list(module.tree.body)
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, ast.If | ast.Try):
                waiting = [*node.body, *node.orelse, *waiting]
            elif isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not node.name.startswith("_"):
                yield module, node
                if isinstance(node, ast.ClassDef):
                    waiting = [*node.body, *waiting]


def documented(modules: list[Module]) -> dict[str, Any]:
    """Shares of public names, in percent, and places of those without."""
    found = list(public(modules))
    functions = [(m, node) for m, node in found if isinstance(node, FUNCTIONS)]
    bare = places((m, node) for m, node in found if not ast.get_docstring(node) and not _is_overload(node))
    untyped = places((m, node) for m, node in functions if not _is_typed(node))
    return {
        "public names": len(found),
        "with docstring, %": _percent(len(found) - len(bare), len(found)),
        "functions with full types, %": _percent(len(functions) - len(untyped), len(functions)),
        "places": {"without docstring": bare, "without full types": untyped},
    }


def _is_overload(node: Any) -> bool:
    return any(getattr(one, "attr", getattr(one, "id", "")) == "overload" for one in node.decorator_list)


def _is_typed(node: Any) -> bool:
    return node.returns is not None and all(one.annotation is not None for one in parameters(node))


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 100.0


# --- all of it


def measure(root: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Figures by area, and the places behind them by measure."""
    modules = {area: read_modules(root, area) for area in AREAS}
    figures: dict[str, Any] = {"version": _version(root), "commit": _commit(root)}
    listed: dict[str, list[str]] = {}
    for area, mine in modules.items():
        found = forms(mine) | {"duplicates": duplicates(mine)}
        figures[area] = sizes(mine) | {name: len(where) for name, where in found.items()}
        lines = figures[area]["lines"] or 1
        figures[area]["conditional expressions per 1,000 lines"] = round(
            1000 * len(found["conditional expressions"]) / lines, 1
        )
        listed |= {f"{area}: {name}": where for name, where in found.items()}
    others = [module for area in ("benchmarks", "recipes") for module in read_modules(root, area)]
    left = words_left(root, [*itertools.chain.from_iterable(modules.values()), *others])
    rank = read_layers(root)
    climbing = None if rank is None else upward(modules["src"], rank)
    documentation = documented(modules["src"])
    listed |= {f"words: {key}": where for key, where in left.items()} | {"imports upward": climbing or []}
    listed |= documentation.pop("places")
    figures["src"] |= {"imports upward": None if climbing is None else len(climbing)} | documentation
    figures["words left"] = sum(map(len, left.values()))
    figures["words"] = {key: len(where) for key, where in sorted(left.items(), key=lambda item: -len(item[1]))}
    return figures, listed


def _version(root: Path) -> str:
    for path in sorted(root.glob("src/*/__init__.py")):
        if found := re.search(r'^__version__ = "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            return found[1]
    return "unknown"


def _commit(root: Path) -> str:
    """Short name of the commit, with "+" where files differ from it."""
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + "+" * bool(changed.stdout.strip()) if head.returncode == 0 else "unknown"


def as_table(figures: dict[str, Any]) -> str:
    """All figures as text: one row a measure, then the words that are left."""
    src, tests = (figures[area] for area in AREAS)
    rows: list[Mapping[str, Any]] = [
        {"measure": name, "src": _shown(src[name]), "tests": _shown(tests.get(name, ""))} for name in src
    ]
    words: list[Mapping[str, Any]] = [{"word left": key, "places": count} for key, count in figures["words"].items()]
    words.append({"word left": "all", "places": figures["words left"]})
    head = f"version {figures['version']}, commit {figures['commit']}"
    return "\n\n".join([head, harness.table(rows), harness.table(words)])


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(value) or "none"
    return "not known" if value is None else str(value)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", metavar="MEASURE", help="print the places behind measures whose name holds this")
    parser.add_argument("--write", action="store_true", help="append a line to results/house.jsonl")
    parser.add_argument("--label", help='what the line is called, such as "before"')
    options = parser.parse_args()
    figures, listed = measure(options.root)
    if options.label:
        figures = {"label": options.label, **figures}
    if options.list:
        for name, where in listed.items():
            if options.list in name:
                print(f"{name}: {len(where)}", *where, sep="\n  ")
    else:
        print(json.dumps(figures, ensure_ascii=False, indent=1) if options.json else as_table(figures))
    if options.write:
        with (harness.RESULTS / "house.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(figures, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
