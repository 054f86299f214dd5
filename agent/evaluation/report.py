"""The file of an evaluation: what each line came to. It holds no text of a client, a document or a model.

Its fields are data: none is ever renamed, and a new one has a default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.evaluation.dataset import Line
from agent.evaluation.scoring import ANSWERED, QUALITY, Ran, scores_of

FORMAT = 1
MOST_BYTES = 50_000_000


class NotAReport(ValueError):
    """The file is none, or one that only a newer release reads; the message is one sentence."""


class Part(BaseModel):
    """A part of a report. What a newer writer of the same format added is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Written(Part):
    release: str = ""
    at: datetime | None = None


class Data(Part):
    """The data set: its file's name, the hash of its lines, and how many it has."""

    name: str = ""
    hash: str
    lines: int


class Account(Part):
    """Who answered. `models` is the chain that was asked, `offline` whether it was the built-in model."""

    name: str
    version: str
    prompts: dict[str, str] = Field(default_factory=dict)
    models: tuple[str, ...] = ()
    project: str = "default"
    offline: bool = False


class Scored(Part):
    """One line. `cost_usd` is None where nobody knows it, `latency_s` where it has not ended."""

    id: str
    digest: str
    run: str
    status: str
    code: str = ""
    """Why there is no answer."""
    scores: dict[str, float] = Field(default_factory=dict)
    repairs: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    latency_s: float | None = None

    @property
    def answered(self) -> bool:
        return self.scores.get(ANSWERED, 0.0) > 0


class Report(Part):
    """An evaluation that ended."""

    cuelight_evaluation: int = FORMAT
    written: Written = Written()
    evaluation: str
    dataset: Data
    agent: Account
    lines: tuple[Scored, ...]

    @property
    def failures(self) -> Mapping[str, int]:
        """How many lines have no answer, by the reason, the most frequent first."""
        return dict(Counter(line.code or line.status for line in self.lines if not line.answered).most_common())

    @property
    def cost_usd(self) -> Decimal:
        """As far as it is known."""
        return sum((line.cost_usd for line in self.lines if line.cost_usd is not None), Decimal(0))

    @property
    def unpriced(self) -> int:
        """Lines whose cost nobody knows."""
        return sum(line.cost_usd is None for line in self.lines)

    def values(self, metric: str) -> Sequence[float]:
        """What the lines have of a metric, those only that have it."""
        found = (METRICS[metric].of(line) for line in self.lines)
        return [value for value in found if value is not None]


@dataclass(frozen=True, slots=True)
class Metric:
    """Something to compare two evaluations by, line by line. None where a line has none."""

    of: Callable[[Scored], float | None]
    better: Literal["more", "less"] = "more"


def _score(name: str) -> Metric:
    return Metric(lambda line: line.scores.get(name))


METRICS: Mapping[str, Metric] = {
    **{name: _score(name) for name in QUALITY},
    "repairs": Metric(lambda line: float(line.repairs), "less"),
    "cost_usd": Metric(lambda line: None if line.cost_usd is None else float(line.cost_usd), "less"),
    "latency_s": Metric(lambda line: line.latency_s if line.answered else None, "less"),
}
"""Latency is that of answers: whoever fails at once is not fast."""


def scored(line: Line, ran: Ran, *, grounded: bool) -> Scored:
    """What a line came to."""
    return Scored(
        id=line.id,
        digest=line.digest,
        run=ran.run,
        status=ran.status,
        code=ran.code,
        scores=scores_of(line.expected, ran, grounded=grounded),
        repairs=ran.repairs,
        calls=ran.calls,
        input_tokens=ran.input_tokens,
        output_tokens=ran.output_tokens,
        cost_usd=ran.cost_usd,
        latency_s=None if ran.took is None else ran.took.total_seconds(),
    )


def dumped(report: Report) -> bytes:
    """The file: a line of the data set on each line of its own, so that two of them can be compared by eye."""
    head = report.model_dump(mode="json", exclude={"lines"})
    lines = b",\n".join(b"    " + orjson.dumps(line.model_dump(mode="json")) for line in report.lines)
    told = orjson.dumps(head, option=orjson.OPT_INDENT_2).removesuffix(b"\n}")
    return told + b',\n  "lines": [\n' + lines + b"\n  ]\n}\n"


def read(path: Path) -> Report:
    """The report in a file. Raises `NotAReport`."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise NotAReport(f"{path} cannot be read: {error.strerror}") from error
    return loads(text, str(path))


def loads(text: bytes, where: str = "the file") -> Report:
    """The report that was dumped. Raises `NotAReport` naming `where`."""
    if len(text) > MOST_BYTES:
        raise NotAReport(f"{where} has more than {MOST_BYTES / 1e6:g} MB")
    try:
        value = orjson.loads(text)
        version = value["cuelight_evaluation"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise NotAReport(f"{where} is no evaluation: it is no JSON object with `cuelight_evaluation`") from None
    if version != FORMAT:
        raise NotAReport(f"{where} is an evaluation of format {version!r}; this release reads {FORMAT}")
    try:
        return Report.model_validate(value)
    except ValidationError as error:
        one = error.errors(include_url=False, include_input=False)[0]
        raise NotAReport(f"{where} is no evaluation: {'.'.join(map(str, one['loc']))}: {one['msg']}") from None
