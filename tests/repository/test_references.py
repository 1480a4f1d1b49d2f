"""References in docstrings and comments of the package, "`room.module.name`" and "see `name`", lead somewhere."""

import ast
import functools
import re
import tokenize

from project import ROOT

PACKAGE = ROOT / "src" / "wordsight"
DOTTED = re.compile(r"`((?:\w+\.)+\w+)(?:\(\))?`")
SEE = re.compile(r"\b[Ss]ee `(\w+)(?:\(\))?`")
ELSEWHERE = {"nn.MultiheadAttention"}  # of torch
FILES = re.compile(r"\w+\.(json|png|py)")
SETTINGS = PACKAGE / "train" / "config" / "records.py"
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def prose(path):
    """(line, text) of each docstring and comment of a file."""
    with path.open("rb") as file:
        yield from ((t.start[0], t.string) for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


@functools.cache
def members(path):
    """Names that a module or one of its classes defines or imports → their syntax, of classes, or None."""
    return own_names(ast.parse(path.read_text(encoding="utf-8")))


def own_names(scope):
    """Names bound in a module or a class, and attributes that its methods set."""
    found = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node is not scope:
            found[node.name] = node if isinstance(node, ast.ClassDef) else None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, None)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.attr, None)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name, None) for alias in node.names)
    return found


@functools.cache
def every_name():
    """Names of all modules and folders, what they define and what their functions take."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        found |= {path.stem, path.parent.name, *members(path)}
        found |= {node.arg for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.arg)}
    return found


def resolves(folder, names):
    """Whether names lead from a folder of the package to something: folder, module, class, attribute."""
    name, *rest = names
    if (folder / name).is_dir():
        return not rest or resolves(folder / name, rest)
    module = folder / f"{name}.py" if (folder / f"{name}.py").exists() else folder / "__init__.py"
    there = members(module)
    below = rest if module.stem == name else names
    if not below:
        return True
    found = there.get(below[0], ...)
    if found is ...:
        return False
    return len(below) == 1 or found is None or below[1] in own_names(found) or bool(found.bases)


def roots(path, first):
    """Folders from which a reference's first name may be meant: the package, and the file's own folder."""
    for folder in (PACKAGE, path.parent):
        if (folder / first).is_dir() or (folder / f"{first}.py").exists():
            yield folder


def broken(path):
    """References of a file that lead nowhere, with their lines; those to other packages and variables are left out."""
    for line, text in prose(path):
        for match in DOTTED.finditer(text):
            if match[1] in ELSEWHERE or FILES.fullmatch(match[1]):
                continue
            names = match[1].removeprefix("wordsight.").split(".")
            folders = list(roots(path, names[0]))
            is_setting = PACKAGE / "train" in path.parents and names[-1] in members(SETTINGS)
            if folders and not is_setting and not any(resolves(folder, names) for folder in folders):
                yield f"{path.relative_to(ROOT)}:{line} {match[0]}"
        for match in SEE.finditer(text):
            if match[1] not in every_name():
                yield f"{path.relative_to(ROOT)}:{line} {match[0]}"


def test_references_lead_somewhere():
    assert not [reference for path in sorted(PACKAGE.rglob("*.py")) for reference in broken(path)]
