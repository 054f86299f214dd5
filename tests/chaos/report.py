"""What a run came to: the figures and the broken promises, as JSON and as a page that people read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.chaos.evidence import Evidence, Finding
from tests.chaos.invariants.health import alone, percentile, recoveries, stalls, take_overs
from tests.chaos.invariants.payments import bills
from tests.chaos.invariants.rolls import rolled

MOST_SHOWN = 10

Figures = dict[str, Any]


def figures(evidence: Evidence, findings: Sequence[Finding]) -> Figures:
    """Everything that is counted, by name; times are in seconds."""
    kept = {name: value for name, value in evidence.order[0].items() if name != "kinds"} if evidence.order else {}
    return {
        "order": kept,
        "requests": len(evidence.asks),
        "clients": dict(Counter(ask["sort"] for ask in evidence.asks).most_common()),
        "replies": dict(Counter(str(reply["status"]) for reply in evidence.replies).most_common()),
        "runs": len(evidence.runs),
        "endings": dict(Counter(run["code"] or run["status"] for run in evidence.runs).most_common()),
        "faults": dict(Counter(fault["kind"] for fault in evidence.faults).most_common()),
        "faults_in_all": len(evidence.faults),
        "overlapping": _overlapping(evidence),
        "troubles": _troubles(evidence),
        "own_deaths": _own_deaths(evidence),
        "lost": _count(findings, "I1", "never ended", "does not"),
        "doubled": _count(findings, "I2", "endings") + _count(findings, "I6", "runs"),
        "calls": _calls(evidence),
        "rolled_only": sum(1 for _ in rolled(evidence)),
        "times": _times(evidence),
        "dead_letters": dict(Counter(letter["kind"] for letter in evidence.letters).most_common()),
        "replays": _replays(evidence),
        "violations": dict(Counter(finding.invariant for finding in findings)),
    }


def _troubles(evidence: Evidence) -> list[str]:
    """What went wrong with the machine itself: such a run proves nothing."""
    found = [f"{fault['kind']}: {fault['told']['trouble']}" for fault in evidence.faults if "trouble" in fault["told"]]
    return found + [f"{row['sort']} client: {row['error']}" for row in evidence.troubles]


def _replays(evidence: Evidence) -> dict[str, int]:
    """How many stored runs were replayed, by whether they came again as recorded."""
    return dict(Counter("as recorded" if row["same"] else "another way" for row in evidence.replays).most_common())


def _overlapping(evidence: Evidence) -> int:
    """Faults that began within two seconds of another's beginning, or while another was going on."""
    faults = sorted(evidence.faults, key=lambda fault: float(fault["began"]))
    return sum(later["began"] < max(it["began"] + 2, it["ended"]) for it, later in pairwise(faults))


def _own_deaths(evidence: Evidence) -> dict[str, int]:
    """Processes that ended without having been killed, by name and exit code."""
    return dict(Counter(f"{death['name']} ({death['code']})" for death in evidence.deaths if death["code"] != -9))


def _count(findings: Sequence[Finding], invariant: str, *words: str) -> int:
    return sum(it.invariant == invariant and any(word in it.what for word in words) for it in findings)


def _calls(evidence: Evidence) -> Figures:
    billed = list(bills(evidence))
    unexplained = sum(min(bill.unexplained, bill.repaid) for bill in billed)
    return {
        "made": len(evidence.model),
        "paid": sum(bool(call["billed"]) for call in evidence.model),
        "questions": len(billed),
        "repaid_explained": sum(bill.repaid for bill in billed) - unexplained,
        "repaid_unexplained": unexplained,
        "unknown": sum(row["status"] == "unknown" for row in evidence.calls),
        "fenced_attempts": sum(row["settled"] is False for row in evidence.attempts),
    }


def _times(evidence: Evidence) -> Figures:
    recovery = [seconds for _, seconds in recoveries(evidence)]
    worst = max(recoveries(evidence), key=lambda found: found[1], default=({"kind": "none"}, 0.0))
    latency = [run["ended"] - run["created"] for run in evidence.runs if run["ended"] is not None]
    spread = {
        "recovery": recovery,
        "take_over": [seconds for _, seconds in take_overs(evidence)],
        "take_over_alone": alone(evidence),
        "latency": latency,
        "stall": stalls(evidence),
    }
    told: Figures = {
        name: {"n": len(found), **{f"p{int(p * 100)}": round(percentile(found, p), 3) for p in (0.5, 0.99)}}
        | {"max": round(max(found, default=0.0), 3)}
        for name, found in spread.items()
    }
    return {**told, "worst_recovery_after": worst[0]["kind"]}


def page(told: Figures, findings: Sequence[Finding]) -> str:
    """The report in Markdown."""
    return "\n".join(_lines(told, findings)) + "\n"


def _lines(told: Figures, findings: Sequence[Finding]) -> Iterator[str]:
    order, calls = told["order"], told["calls"]
    yield "# A run of the fault machine\n"
    yield f"`make chaos SEED={order.get('seed')} MINUTES={order.get('seconds', 0) / 60:g} RATE={order.get('rate'):g}`\n"
    yield f"**{'No invariant was broken.' if not findings else f'{len(findings)} violations.'}**\n"
    yield from ("| what | figure |", "|---|---|")
    for name in ("requests", "runs", "faults_in_all", "overlapping", "lost", "doubled"):
        yield f"| {name.replace('_', ' ')} | {told[name]} |"
    yield f"| model calls made / paid for | {calls['made']} / {calls['paid']} |"
    yield f"| paid for again, explained / unexplained | {calls['repaid_explained']} / {calls['repaid_unexplained']} |"
    yield f"| calls `unknown`, attempts that lost the fence | {calls['unknown']}, {calls['fenced_attempts']} |"
    yield f"| runs that only a rolling restart disturbed | {told['rolled_only']} |"
    for name in ("recovery", "take_over", "take_over_alone", "stall", "latency"):
        spread = told["times"][name]
        yield f"| {name.replace('_', ' ')} s: p50 / p99 / max | {spread['p50']} / {spread['p99']} / {spread['max']} |"
    yield f"| worst recovery after | {told['times']['worst_recovery_after']} |"
    for name in ("faults", "clients", "replies", "endings", "dead_letters", "own_deaths", "replays", "violations"):
        yield f"\n**{name.replace('_', ' ')}**: {_listed(told[name])}"
    if told["troubles"]:
        yield f"\n**troubles of the machine itself**: {told['troubles']}"
    yield from _told(findings)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _told(findings: Sequence[Finding]) -> Iterator[str]:
    for invariant in sorted({finding.invariant for finding in findings}, key=lambda name: int(name[1:])):
        mine = [finding for finding in findings if finding.invariant == invariant]
        yield f"\n## {invariant}: {len(mine)} violations\n"
        for finding in mine[:MOST_SHOWN]:
            yield f"* {finding.run} {finding.what}".replace("*  ", "* ")
        if len(mine) > MOST_SHOWN:
            yield f"* and {len(mine) - MOST_SHOWN} more"


def write(home: Path, told: Figures, findings: Sequence[Finding]) -> None:
    """`report.json` and `report.md` beside what they rest on."""
    listed = [{"invariant": it.invariant, "run": it.run, "what": it.what} for it in findings]
    (home / "report.json").write_text(json.dumps({**told, "findings": listed}, indent=1, default=str))
    (home / "report.md").write_text(page(told, findings))
