"""Rules of docs/architecture.md that code can check: imports go downward, heavy packages stay where they belong."""

import ast
import json
import subprocess
import sys

import pytest
from project import ROOT

PACKAGE = ROOT / "src" / "wordsight"

# Layers from the ground up; a module may import those of lower rows only.
LAYERS = [
    {"errors", "durable", "path_text"},
    {"arguments", "locations", "metrics", "json_records", "columns", "hashes"},
    {"spec"},
    {"towers"},
    {"checkpoint", "samples", "text", "unique_ids"},
    {"weights", "images"},
    {"nn"},
    {"encoder"},
    {"model"},
    {"zeroshot", "index"},
    {"ingest"},
    {"row_images"},
    {"output"},
    {"update"},
    {"duplicates"},
    {"search"},
    {"gallery", "pairs"},
    {"evaluate"},
    {"curate", "train", "doctor", "quantize"},
    {"serve"},
    {"cli"},
]
RANK = {part: rank for rank, row in enumerate(LAYERS) for part in row}

# third-party package → the only places that may import it
HOMES = {
    "torch": ("nn/", "train/", "encoder/torch.py"),
    "openvino": ("encoder/openvino/",),
    "nncf": ("encoder/openvino/int8.py",),
    "tokenizers": ("text/tokenizer.py", "text/sentencepiece.py"),
    "huggingface_hub": ("weights/hub.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "lance": ("index/lance/",),
    "qdrant_client": ("index/qdrant/",),
    "pinecone": ("index/pinecone/",),
    "sqlglot": ("index/filters/",),
    "pypdfium2": ("ingest/pdf_worker.py",),
    "pillow_heif": ("images/identify.py",),
    "rawpy": ("images/raw.py",),
    "datasets": ("ingest/", "evaluate/datasets/"),
    "ray": ("update/on_ray.py", "serve/on_ray.py"),
    "fastapi": ("serve/",),
    "starlette": ("serve/",),
    "pydantic": ("serve/", "index/qdrant/"),
    "uvicorn": ("serve/run.py", "serve/guard/connections.py"),
    "gradio": ("serve/page/",),
    "mcp": ("serve/mcp/",),
    "prometheus_client": ("serve/",),
    "peft": ("train/",),
    "matplotlib": ("train/", "evaluate/report/"),
    "sklearn": ("evaluate/estimators/base.py",),
    "mteb": ("evaluate/mteb.py",),
    "scipy": ("evaluate/", "metrics/"),
    "xxhash": ("hashes.py", "index/lance/"),
    "filelock": ("weights/hub.py", "index/writer_lock.py", "evaluate/result_files.py"),
    "snowballstemmer": ("text/english.py",),
}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Every module named by an import statement of a file, at module level and inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            if node.module == "wordsight":
                yield from (f"wordsight.{alias.name}" for alias in node.names)
            else:
                yield node.module


def name_part(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_module_has_a_layer():
    parts = {name_part(path) for path in modules()} - {"__init__", "__main__"}
    assert parts <= RANK.keys(), f"say in LAYERS where these belong: {sorted(parts - RANK.keys())}"


def test_imports_go_downward():
    upward = []
    for path in modules():
        here = name_part(path)
        if here in ("__init__", "__main__"):
            continue
        for name in imported(path):
            pieces = name.split(".")
            if pieces[0] != "wordsight" or len(pieces) < 2 or pieces[1] == here or pieces[1] not in RANK:
                continue
            if RANK[pieces[1]] >= RANK[here]:
                upward.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("package", HOMES)
def test_a_heavy_package_is_imported_only_where_it_belongs(package):
    strays = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        if any(name.split(".")[0] == package for name in imported(path))
        and not path.relative_to(PACKAGE).as_posix().startswith(HOMES[package])
    ]
    assert not strays


def test_the_library_neither_prints_nor_exits():
    loud = []
    for path in modules():
        if name_part(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "exit", "sys.exit", "os._exit"):
                loud.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert not loud


def test_no_module_is_named_after_nothing():
    nothings = {"utils", "util", "helpers", "common", "legacy", "misc"}
    assert not [path for path in modules() if path.stem in nothings or path.parent.name in nothings]


HEAVY = {"torch", "openvino", "nncf", "numpy", "PIL", "tokenizers", "huggingface_hub", "rich", "safetensors",
         "ml_dtypes", "transformers", "pyarrow", "lance", "ray", "datasets", "pypdfium2",
         "peft", "matplotlib", "snowballstemmer", "scipy", "sklearn",
         "fastapi", "gradio", "mcp", "uvicorn"}  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "import wordsight",
        "import wordsight.cli",
        "from wordsight.cli import group; group(['--help'], standalone_mode=False)",
        "from wordsight.cli import group; group(['--version'], standalone_mode=False)",
    ],
)
def test_import_and_help_load_nothing_heavy(statement):
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(run.stderr.strip().splitlines()[-1])}
    assert not loaded & HEAVY
