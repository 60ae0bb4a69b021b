"""A run's comparison, from its results to its files: verdicts, answers, page, figures, and all numbers in one file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from unrolled import paths
from unrolled.analysis import questions
from unrolled.analysis.claim import Evidence, assess_all, plan
from unrolled.analysis.random_networks.experiments import Numbers
from unrolled.files import write_json
from unrolled.report import published
from unrolled.report.gallery import Drawn
from unrolled.report.page import render
from unrolled.report.page.render import Experiments
from unrolled.report.results import Results


@dataclass(frozen=True)
class Comparison:
    """What is said of a run: its numbers with the planned comparisons, the claims, the answers to readers."""

    results: Results
    experiments: Experiments
    claims: list[dict[str, Any]]
    answers: dict[str, Any]

    @classmethod
    def of(cls, results: Results, experiments: Experiments) -> "Comparison":
        """Judge the claims and answer the questions; each study's numbers get their comparisons."""
        metrics = {study.name: study.metrics for study in results.studies}
        evidence = plan(Evidence(metrics, cast(Numbers, results.random_networks.numbers)))
        for name, own in metrics.items():
            own["comparisons"] = [each for pair, each in evidence.compared.items() if pair.study == name]
        return cls(results, experiments, assess_all(evidence), questions.answers(evidence))

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Numbers of each study, as in metrics.json."""
        return {study.name: study.metrics for study in self.results.studies}

    def write(self, folder: Path, **more: Any) -> list[Drawn]:
        """Write page, figures and numbers into a folder; return the figures. `more` is as in `render.write`."""
        found = self.results
        drawn = render.write(found, self.experiments, self.claims, folder, self.answers, **more)
        same = published.followed(found.to_follow, found.literature or {})
        numbers = {
            paths.CLAIMS: self.claims,
            paths.ANSWERS: self.answers,
            paths.GAIN: questions.headline(self.metrics, self.claims),
            paths.PUBLISHED: [*same, *published.compare(found.studies)],
            paths.METRICS: self.metrics,
        }
        for path, content in numbers.items():
            write_json(folder / path.name, content)
        return drawn
