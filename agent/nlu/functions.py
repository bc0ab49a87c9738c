"""Which function of the product each intent belongs to (docs/understanding-contract.md), as data for everyone who reports it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

INTENTS_OF: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "destination_search": ("search_place", "navigate_to", "set_destination", "add_waypoint"),
        "filter_results": ("narrow", "choose_option", "next_page", "undo_narrow"),
        "place_info": ("ask_place",),
        "traffic_route": ("ask_traffic", "ask_eta", "change_route", "cancel_route"),
        "weather": ("ask_weather",),
        "news": ("ask_news",),
        "audio_vehicle_control": (
            "audio_source",
            "audio_volume",
            "audio_track",
            "display_control",
            "ask_vehicle",
            "vehicle_refused",
        ),
        "climate": ("climate",),
        "handoff": ("handoff",),
        "agentplus": (
            "agentplus_control",
            "notice_settings",
            "notice_feedback",
            "forget_preference",
            "ask_prediction",
            "show_learnt",
            "who_drives",
        ),
        "schedule_other": ("schedule",),
        "dialogue_control": ("affirm", "deny", "cancel", "go_back", "repeat", "help", "thanks", "greet", "goodbye"),
        "chitchat_oos": ("chitchat", "out_of_scope", "human_talk"),
    }
)
"""Function → its intents; every intent stands in exactly one row."""

FUNCTION_OF: Final[Mapping[str, str]] = MappingProxyType(
    {intent: function for function, intents in INTENTS_OF.items() for intent in intents} | {"emergency": "handoff"}
)

ACTING: Final[frozenset[str]] = frozenset(INTENTS_OF) - {"chitchat_oos", "dialogue_control", "schedule_other"}
"""Functions whose intents make the car or a backend do something."""


def function_of(intent: str | None) -> str:
    """The function `intent` belongs to; anything unknown asks nothing of the car: `chitchat_oos`."""
    return FUNCTION_OF.get(intent or "", "chitchat_oos")
