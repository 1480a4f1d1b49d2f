"""Figures for Prometheus, and the dashboard that shows them."""

import json
import re

from project import ROOT
from prometheus_client.parser import text_string_to_metric_families
from scraping import sample
from serving import run_server

from wordsight.serve.engine.metrics import Metrics

_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def test_requests_and_embeddings_are_counted():
    with run_server() as client:
        assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
        for _ in range(3):
            assert client.post("/v1/embeddings", json={"input": ["a red car"]}).status_code == 200
        assert client.get("/no/such/page").status_code == 404
        route = {"route": "/v1/embeddings", "status": "200"}
        assert sample(client, "wordsight_requests_total", **route) == 3
        assert sample(client, "wordsight_requests_total", route="other", status="404") == 1
        assert sample(client, "wordsight_embedded_total", kind="text") == 1
        assert sample(client, "wordsight_text_cache_hits_total") == 2
        assert sample(client, "wordsight_text_cache_misses_total") == 1
        assert sample(client, "wordsight_batch_size_count", kind="text") == 1
        assert sample(client, "wordsight_queue_depth", stage="encode", lane="search") == 0
        assert sample(client, "wordsight_models_loaded") == 1


def test_two_servers_count_apart():
    first, second = Metrics(), Metrics()
    first.skipped.inc()
    assert "wordsight_skipped_total 1.0" in first.render().decode()
    assert "wordsight_skipped_total 0.0" in second.render().decode()


def test_the_dashboard_names_only_figures_that_exist():
    dashboard = json.loads((ROOT / "docs" / "serve" / "grafana.json").read_text(encoding="utf-8"))
    families = list(text_string_to_metric_families(Metrics().render().decode()))
    names = {family.name for family in families} | {f"{family.name}_total" for family in families}
    words = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    words += [variable["query"] for variable in dashboard["templating"]["list"]]
    used = {_SUFFIX.sub("", name) for word in words for name in re.findall(r"(?:wordsight|process)_\w+", word)}
    assert used <= names, used - names
    ours = {family.name for family in families if family.name.startswith("wordsight_")}
    shown = {name for name in ours if not name.endswith("_created")}
    assert shown <= {name.removesuffix("_total") for name in used}, "a figure that no panel shows"


def test_the_documentation_names_all_figures():
    page = (ROOT / "docs" / "serve" / "load.md").read_text(encoding="utf-8")
    families = text_string_to_metric_families(Metrics().render().decode())
    ours = {family.name for family in families if family.name.startswith("wordsight_")}
    ours = {name for name in ours if not name.endswith("_created")}
    assert {name.removesuffix("_total") for name in re.findall(r"wordsight_\w+", page)} == ours
