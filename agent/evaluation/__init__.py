"""Data sets run through an agent: what is expected of answers, what they are worth, and how two evaluations compare."""

from agent.evaluation.comparing import Comparison, Difference, Gate, Turned, breaches, compare, gate
from agent.evaluation.dataset import BadDataset, Dataset, Expected, Line, loads, read
from agent.evaluation.keeping import Evaluation, Evaluations, Plan, Standing, Wanted, arguments, new_run, wish_of
from agent.evaluation.report import METRICS, Account, Data, NotAReport, Report, Scored, Written, dumped, scored
from agent.evaluation.runs import ran_of
from agent.evaluation.scoring import QUALITY, Ran, scores_of
from agent.evaluation.statistics import Draw, Interval, interval, mean, quantile

__all__ = [
    "METRICS",
    "QUALITY",
    "Account",
    "BadDataset",
    "Comparison",
    "Data",
    "Dataset",
    "Difference",
    "Draw",
    "Evaluation",
    "Evaluations",
    "Expected",
    "Gate",
    "Interval",
    "Line",
    "NotAReport",
    "Plan",
    "Ran",
    "Report",
    "Scored",
    "Standing",
    "Turned",
    "Wanted",
    "Written",
    "arguments",
    "breaches",
    "compare",
    "dumped",
    "gate",
    "interval",
    "loads",
    "mean",
    "new_run",
    "quantile",
    "ran_of",
    "read",
    "scored",
    "scores_of",
    "wish_of",
]
