"""Evaluation of models on labelled images: how well they work, whether a difference is real, what would work better.

The public place of evaluation: `from wordsight.evaluate import open_set, run_zero_shot, summarise`. Every result has
`to_dict()`, and every figure is a `wordsight.metrics.Estimate` with its 95 % interval. Names are imported when they are
first used. Needs the extra `eval`; modules below are internal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.evaluate.comparison.compare import Comparison, compare_results
    from wordsight.evaluate.comparison.results import Result, find_results
    from wordsight.evaluate.compositional.items import PairSet, open_pairs
    from wordsight.evaluate.compositional.measure import PairScores, score_pairs
    from wordsight.evaluate.data_quality.examination import Examination, examine_labels
    from wordsight.evaluate.data_quality.label_errors import LabelErrors, find_label_errors
    from wordsight.evaluate.datasets.labelled_set import LabelledSet
    from wordsight.evaluate.datasets.opening import open_set
    from wordsight.evaluate.datasets.request import DatasetWarning
    from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
    from wordsight.evaluate.estimators.arrays import FeatureNamesWarning
    from wordsight.evaluate.estimators.few_shot import FewShotClassifier, LinearProbe
    from wordsight.evaluate.estimators.zero_shot import ZeroShotClassifier
    from wordsight.evaluate.features import Features, embed_set
    from wordsight.evaluate.limits.catalogue import pick_tests
    from wordsight.evaluate.limits.measure import Limits, measure_limits
    from wordsight.evaluate.models import open_embedder, open_image_text_embedder
    from wordsight.evaluate.mteb import MTEBModel
    from wordsight.evaluate.picking.pick import Picking, pick
    from wordsight.evaluate.predictions import Origin, Predictions, read_predictions, write_predictions
    from wordsight.evaluate.prompts.config import PromptStudyConfig
    from wordsight.evaluate.prompts.files import UnusedPromptsWarning
    from wordsight.evaluate.prompts.study import PromptStudy, study_prompts
    from wordsight.evaluate.report.line_charts import Series, line_chart
    from wordsight.evaluate.report.matrix_charts import heat_map
    from wordsight.evaluate.report.page import write_report
    from wordsight.evaluate.report.row_charts import bar_chart, interval_chart
    from wordsight.evaluate.report.scatter_charts import Point, scatter_chart
    from wordsight.evaluate.report.sections import Chart, ImageTiles, Report, Section, Table
    from wordsight.evaluate.report.text import render_text
    from wordsight.evaluate.retrieval.captioned import CaptionedSet, open_captions
    from wordsight.evaluate.retrieval.measure import Retrieval, evaluate_retrieval
    from wordsight.evaluate.similarity.measure import Similarity, measure_similarity
    from wordsight.evaluate.zeroshot.run import ZeroShotRun, run_zero_shot
    from wordsight.evaluate.zeroshot.summary import Summary, summarise

# public name → the module that has it
_HOMES = {
    "CaptionedSet": "retrieval.captioned",
    "Chart": "report.sections",
    "Comparison": "comparison.compare",
    "DatasetWarning": "datasets.request",
    "Examination": "data_quality.examination",
    "FeatureNamesWarning": "estimators.arrays",
    "Features": "features",
    "FewShotClassifier": "estimators.few_shot",
    "ImageEmbedder": "embedder",
    "ImageTextEmbedder": "embedder",
    "ImageTiles": "report.sections",
    "LabelErrors": "data_quality.label_errors",
    "LabelledSet": "datasets.labelled_set",
    "Limits": "limits.measure",
    "LinearProbe": "estimators.few_shot",
    "MTEBModel": "mteb",
    "Origin": "predictions",
    "PairScores": "compositional.measure",
    "PairSet": "compositional.items",
    "Picking": "picking.pick",
    "Point": "report.scatter_charts",
    "Predictions": "predictions",
    "PromptStudy": "prompts.study",
    "PromptStudyConfig": "prompts.config",
    "Report": "report.sections",
    "Result": "comparison.results",
    "Retrieval": "retrieval.measure",
    "Section": "report.sections",
    "Series": "report.line_charts",
    "Similarity": "similarity.measure",
    "Summary": "zeroshot.summary",
    "Table": "report.sections",
    "UnusedPromptsWarning": "prompts.files",
    "ZeroShotClassifier": "estimators.zero_shot",
    "ZeroShotRun": "zeroshot.run",
    "bar_chart": "report.row_charts",
    "compare_results": "comparison.compare",
    "embed_set": "features",
    "evaluate_retrieval": "retrieval.measure",
    "examine_labels": "data_quality.examination",
    "find_label_errors": "data_quality.label_errors",
    "find_results": "comparison.results",
    "heat_map": "report.matrix_charts",
    "interval_chart": "report.row_charts",
    "line_chart": "report.line_charts",
    "measure_limits": "limits.measure",
    "measure_similarity": "similarity.measure",
    "open_captions": "retrieval.captioned",
    "open_embedder": "models",
    "open_image_text_embedder": "models",
    "open_pairs": "compositional.items",
    "open_set": "datasets.opening",
    "pick": "picking.pick",
    "pick_tests": "limits.catalogue",
    "read_predictions": "predictions",
    "render_text": "report.text",
    "run_zero_shot": "zeroshot.run",
    "scatter_chart": "report.scatter_charts",
    "score_pairs": "compositional.measure",
    "study_prompts": "prompts.study",
    "summarise": "zeroshot.summary",
    "write_predictions": "predictions",
    "write_report": "report.page",
}

__all__ = [
    "CaptionedSet",
    "Chart",
    "Comparison",
    "DatasetWarning",
    "Examination",
    "FeatureNamesWarning",
    "Features",
    "FewShotClassifier",
    "ImageEmbedder",
    "ImageTextEmbedder",
    "ImageTiles",
    "LabelErrors",
    "LabelledSet",
    "Limits",
    "LinearProbe",
    "MTEBModel",
    "Origin",
    "PairScores",
    "PairSet",
    "Picking",
    "Point",
    "Predictions",
    "PromptStudy",
    "PromptStudyConfig",
    "Report",
    "Result",
    "Retrieval",
    "Section",
    "Series",
    "Similarity",
    "Summary",
    "Table",
    "UnusedPromptsWarning",
    "ZeroShotClassifier",
    "ZeroShotRun",
    "bar_chart",
    "compare_results",
    "embed_set",
    "evaluate_retrieval",
    "examine_labels",
    "find_label_errors",
    "find_results",
    "heat_map",
    "interval_chart",
    "line_chart",
    "measure_limits",
    "measure_similarity",
    "open_captions",
    "open_embedder",
    "open_image_text_embedder",
    "open_pairs",
    "open_set",
    "pick",
    "pick_tests",
    "read_predictions",
    "render_text",
    "run_zero_shot",
    "scatter_chart",
    "score_pairs",
    "study_prompts",
    "summarise",
    "write_predictions",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import the public names on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wordsight.evaluate' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f"wordsight.evaluate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names."""
    return list(__all__)
