"""How a fork is told: what answered each question, what it cost, where it stopped, and both runs side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from agent.adapters.model.prices import cost
from agent.effects import AnyEffect, CallModel
from agent.events import Usage
from agent.settings import OFFLINE, ModelSettings, Settings
from agent.testing.replaying.forecast import Forecast, Planned
from agent.testing.replaying.fork import Forked
from agent.testing.rerun import HOW, Served, named
from agent.wording import counted
from cli.comparing import as_json as parts
from cli.comparing import show, unknown
from cli.plain import text, usd

NAME_CHARS = 100
HINTS = {CallModel.type: "--answer or --script gives it words, --live asks the model"}
HINT = "a line of --script gives it an answer"

Price = Callable[[str, Usage], Decimal | None]
"""USD for so many tokens of a model; None where nobody knows."""


def prices(settings: Settings) -> Price:
    """As the settings say. The offline model is free where no endpoint is configured."""
    models: Mapping[str, ModelSettings] = {it.name: it for at in settings.endpoints() for it in at.models}

    def price(model: str, usage: Usage) -> Decimal | None:
        if not models and model == OFFLINE:
            return Decimal(0)
        return cost(usage, models[model]) if model in models else None

    return price


def tell(console: Console, done: Forked, title: str) -> None:
    """A fork for people."""
    console.print(text(title, "bold"), soft_wrap=True)
    console.print(_answers(done.served) if done.served else "no question was asked")
    console.print(text(_paid(done)), soft_wrap=True)
    if done.unanswered is not None:
        unknown(console, f"stopped: {done.unanswered}", done.unanswered.unlike)
        console.print(text(HINTS.get(done.unanswered.asked.type, HINT), "dim"), soft_wrap=True)
        console.print("side by side, as far as it went:")
    elif done.difference is None:
        console.print("every event is what it was")
    show(console, done.then, done.now, done.difference)


def as_values(done: Forked, mode: str, changes: Sequence[str]) -> dict[str, Any]:
    """A fork for machines."""
    stopped = done.unanswered
    return {
        "run": done.then.run.id,
        "mode": mode,
        "changes": changes,
        "answers": [_value(it) for it in done.served],
        "paid_now": {"calls": len(done.paid), "cost_usd": done.paid_usd},
        "unanswered": None if stopped is None else {"what": str(stopped), "unlike": stopped.unlike},
        "ending": {"then": done.then.ending.type, "now": None if stopped else done.now.ending.type},
        **parts(done.then, done.now, done.difference),
    }


def tell_forecast(console: Console, found: Forecast, price: Price, *, asks: bool) -> None:
    """What a fork would ask, for people; unless it `asks`, it would stop at the first of these."""
    recorded = Counter(it.how for it in found.served if it.how != "kept")
    there = ", ".join(f"{count} {how}" for how, count in recorded.items())
    console.print(text(f"answers that are there: {there or 'none'}"), soft_wrap=True)
    would = "would {}" if asks else "has no answer, and would {} with --live"
    others = Counter(it.effect.type for it in found.planned if it not in found.calls)
    for name, count in others.items():
        console.print(text(f"{would.format('ask')}: {name}, {counted(count, 'call')}"), soft_wrap=True)
    for model, planned in _by_model(found.calls).items():
        calls = counted(len(planned), "call")
        line = f"{would.format('call')}: {model}, {calls}; {_tokens(planned)}; {_cost(planned, price)}"
        console.print(text(line), soft_wrap=True)
    if not found.planned:
        console.print("would ask nobody anything")
    if found.open_end:
        console.print("more may follow: nobody knows what is said to the last of these", style="yellow", soft_wrap=True)
    told = "nothing was asked, called or written; models and searches were taken to say what they said then"
    console.print(told, soft_wrap=True)


def forecast_values(found: Forecast, price: Price) -> dict[str, Any]:
    """The same for machines. A cost is null where a price is unknown."""
    costs = [price(_model(it), it.usage) for it in found.calls]
    return {
        "dry_run": True,
        "answers": [_value(it) for it in found.served if it.how != "kept"],
        "questions": [{"type": it.effect.type, "what": named(it.effect)} for it in found.planned],
        "calls": len(found.calls),
        "usage": _sum(found.calls).model_dump(),
        "at_most": any(it.at_most for it in found.calls),
        "cost_usd": None if None in costs else sum((it for it in costs if it is not None), start=Decimal(0)),
        "open_end": found.open_end,
    }


def _answers(served: Sequence[Served]) -> Table:
    table = Table("", "question", "answer", "tokens", "cost", box=None, header_style="dim", padding=(0, 1))
    for number, it in enumerate(served, start=1):
        met = f": {it.fault.kind}" if it.fault else ""
        live = it.how == "live"
        tokens = f"{it.usage.input_tokens}+{it.usage.output_tokens}" if live and it.usage else ""
        paid = usd(it.cost_usd) if live and isinstance(it.effect, CallModel) else ""
        style = "" if it.how == "recorded" else "yellow"
        cells = (str(number), named(it.effect), f"{it.how}{met}", tokens, paid)
        table.add_row(*(text(cell, style, NAME_CHARS) for cell in cells))
    return table


def _paid(done: Forked) -> str:
    if not done.paid:
        return "no model was called: nothing was paid now"
    return f"paid now: {counted(len(done.paid), 'call')}, {usd(done.paid_usd)}"


def _value(it: Served) -> dict[str, Any]:
    told = {"type": it.effect.type, "what": named(it.effect), "from": it.how, "means": HOW[it.how]}
    fault = None if it.fault is None else it.fault.kind
    return {**told, "fault": fault, "cost_usd": it.cost_usd}


def _by_model(calls: Iterable[Planned]) -> Mapping[str, Sequence[Planned]]:
    found: dict[str, list[Planned]] = {}
    for it in calls:
        found.setdefault(_model(it), []).append(it)
    return found


def _model(it: Planned) -> str:
    effect: AnyEffect = it.effect
    return effect.model if isinstance(effect, CallModel) else ""


def _sum(calls: Sequence[Planned]) -> Usage:
    return Usage(**{name: sum(getattr(it.usage, name) for it in calls) for name in Usage.model_fields})


def _tokens(calls: Sequence[Planned]) -> str:
    usage, most = _sum(calls), any(it.at_most for it in calls)
    return f"{'at most' if most else 'about'} {usage.input_tokens} input and {usage.output_tokens} output tokens"


def _cost(calls: Sequence[Planned], price: Price) -> str:
    found = price(_model(calls[0]), _sum(calls))
    return "at an unknown price" if found is None else usd(found)
