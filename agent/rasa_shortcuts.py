"""Two detours Rasa makes at every turn, and the straight ways: together a third of a turn.

Each gives the same results as Rasa's own (tests compare them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.engine.exceptions import GraphRunError
from rasa.engine.graph import GraphNode, GraphSchema
from rasa.engine.runner.dask import DaskGraphRunner


class StraightRunner:
    """Runs the nodes of a loaded model's graph one after the other, in an order worked out once for each set of targets.

    Rasa's runner has Dask work out the order, and start a task for each node, at every message and every prediction.
    """

    def __init__(self, loaded: DaskGraphRunner) -> None:
        self._schema: GraphSchema = loaded._graph_schema
        self._nodes: Mapping[str, GraphNode] = loaded._instantiated_nodes
        self._orders: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}

    def run(self, inputs: Mapping[str, Any] | None = None, targets: Sequence[str] | None = None) -> dict[str, Any]:
        """The targets' outputs by node. Raises `GraphRunError`."""
        wanted = tuple(targets or self._schema.target_names)
        outputs: dict[str, Any] = dict(inputs or {})
        if clash := outputs.keys() & self._schema.nodes.keys():
            raise GraphRunError(f"Inputs have the names of nodes: {sorted(clash)}.")
        if wanted not in self._orders:
            self._orders[wanted] = self._order(wanted)
        for name, needs in self._orders[wanted]:
            # A parent that gave nothing is handed over by its name, as Rasa's runner does.
            parents = [(need, outputs[need]) if need in outputs else need for need in needs]
            outputs[name] = self._nodes[name](*parents)[1]
        return {name: outputs[name] for name in wanted}

    def _order(self, targets: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
        """The nodes the targets need, each after its parents."""
        nodes = self._schema.minimal_graph_schema(list(targets)).nodes
        order: dict[str, tuple[str, ...]] = {}

        def visit(name: str) -> None:
            if name in order or name not in nodes:
                return
            needs = tuple(nodes[name].needs.values())
            for need in needs:
                visit(need)
            order[name] = needs

        for name in targets:
            visit(name)
        return list(order.items())


@lru_cache(maxsize=1)
def _answer_validator() -> Any:
    """Validator of what an action may answer, with its schema checked once."""
    schema = RemoteAction.action_response_format_spec()
    validator = validator_for(schema)
    validator.check_schema(schema)
    return validator(schema)


def _sets_slots_and_speaks(answer: Any) -> bool:
    """Whether an answer is of the one shape that nearly all are: slots and responses, and nothing else. The schema would try
    each event against every kind of event there is."""
    if type(answer) is not dict or not answer.keys() <= {"events", "responses"}:
        return False
    events, responses = answer.get("events", []), answer.get("responses", [])
    if type(events) is not list or type(responses) is not list:
        return False
    return all(_sets_slot(event) for event in events) and all(type(r) is dict for r in responses)


def _sets_slot(event: Any) -> bool:
    return (
        type(event) is dict
        and event.get("event") == "slot"
        and type(event.get("name")) is str
        and "value" in event
        and (event.get("timestamp") is None or type(event["timestamp"]) in (int, float))
        and (event.get("metadata") is None or type(event["metadata"]) is dict)
    )


def validate_answer(answer: Any) -> None:
    """Raises `jsonschema.ValidationError` as Rasa's own check of an action's answer does."""
    if _sets_slots_and_speaks(answer):
        return
    error = jsonschema.exceptions.best_match(_answer_validator().iter_errors(answer))
    if error is not None:
        raise error
