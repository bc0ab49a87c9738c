"""Agent+ in the running car (docs/agent-plus.md)."""

from agent.agentplus.model import Answered, Senses
from agent.agentplus.service import AgentPlus

__all__ = ["AgentPlus", "Answered", "Senses"]
