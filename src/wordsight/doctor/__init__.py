"""The doctor: every fact of a model with its origin, judged, and its answers computed a second time.

Three kinds of evidence, as none suffices alone: facts against the tensors and against what is known of released models
(`consistency`); fast paths against an independent reference (`checks`); and the facts against alternatives on images
with captions (`whatif`).
"""

from wordsight.doctor.examination import examine
from wordsight.doctor.report import Finding, Report, Verdict

__all__ = ["Finding", "Report", "Verdict", "examine"]
