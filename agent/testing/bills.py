"""What calls came to: sums over the in-memory ledger's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import orjson

from agent.effects import CallModel
from agent.envelope import Key, scrub
from agent.errors import Held
from agent.events import Usage
from agent.outcome import BUDGET, RATE_LIMITED
from agent.ports import Begun, Call
from agent.testing.rows import AttemptRow, CallRow


def row_of(call: Call, begun: Begun, order: int) -> CallRow:
    """A call as it stands now, as a row; `order` grows with every row that is written."""
    return CallRow(
        id=call.id,
        token=begun.token,
        key=begun.pointer.key,
        effect_type=call.effect.type,
        effect_hash=call.hash,
        occurrence=call.occurrence,
        status=call.status,
        answer=call.answer,
        error_kind=call.error_kind,
        error=call.error,
        usage=call.usage,
        cost_usd=call.cost_usd,
        worst_case_usd=call.worst_case_usd,
        order=order,
        fault=call.fault,
        effect=scrub(call.effect.canonical().decode()),
        model=call.model,
        endpoint=call.endpoint,
        duration_ms=call.duration_ms,
    )


def answers(calls: Iterable[CallRow]) -> Mapping[tuple[str, int], str]:
    """The recorded answers by effect hash and occurrence; the first on record wins."""
    found: dict[tuple[str, int], str] = {}
    for call in sorted(calls, key=lambda call: call.order):
        if call.status == "answered" and call.answer is not None:
            found.setdefault((call.effect_hash, call.occurrence), call.answer)
    return found


def usage(calls: Sequence[CallRow]) -> Usage:
    """Tokens of all calls, whatever became of them."""
    return Usage(**{name: sum(getattr(call.usage, name) for call in calls) for name in Usage.model_fields})


def spent_usd(calls: Iterable[CallRow]) -> Decimal:
    """What a budget has to reckon with: a call whose cost nobody knows counts with the most it may have cost."""
    costs = (call.worst_case_usd if call.cost_usd is None else call.cost_usd for call in calls)
    return sum((cost or Decimal(0) for cost in costs), Decimal(0))


def tokens(calls: Iterable[CallRow]) -> int:
    """Input and output of all calls, as far as they are known."""
    return sum(call.usage.input_tokens + call.usage.output_tokens for call in calls)


def cost_usd(calls: Sequence[CallRow]) -> Decimal | None:
    """What all calls cost; None where the cost of a model call is not known."""
    if any(call.cost_usd is None for call in calls if call.effect_type == CallModel.type):
        return None
    return sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0))


def model_calls(calls: Iterable[CallRow]) -> int:
    """How many of the calls were calls of a model; what a budget did not let pass was none."""
    return sum(call.effect_type == CallModel.type and call.error_kind != BUDGET for call in calls)


def made(calls: Iterable[CallRow]) -> int:
    """How many model calls count for a run: not those that came too early, or that were not made."""
    counted = (call for call in calls if call.error_kind != RATE_LIMITED and not _held(call))
    return model_calls(counted)


def _held(call: CallRow) -> bool:
    return call.fault is not None and orjson.loads(call.fault)["error"] == Held.__name__


def unknown(calls: Iterable[CallRow]) -> int:
    """How many model calls there are of which nobody knows what they used up."""
    return model_calls(call for call in calls if call.status in ("asked", "unknown") or _untold(call))


def _untold(call: CallRow) -> bool:
    return call.status == "failed" and call.cost_usd is None and call.usage == Usage()


def history(attempts: Iterable[AttemptRow], calls: Iterable[CallRow], key: Key) -> str:
    """Every attempt and call of a run's generation, as JSON: what a dead letter carries."""
    here = (key.run, key.generation)
    told = {
        "attempts": [
            {
                **{name: getattr(it, name) for name in ("token", "route", "attempt", "delivery", "worker", "entry")},
                **{name: getattr(it, name) for name in ("outcome", "settled", "error_kind", "error")},
                **{"seq": it.key.seq, "began_at": it.began_at, "ended_at": it.ended_at},
            }
            for it in attempts
            if it.key[:2] == here
        ],
        "calls": [
            {"id": it.id, "token": it.token, "seq": it.key.seq, "type": it.effect_type, "status": it.status}
            | {"error_kind": it.error_kind, "error": it.error, "cost_usd": it.cost_usd}
            for it in calls
            if it.key[:2] == here
        ],
    }
    return orjson.dumps(told, default=str).decode()
