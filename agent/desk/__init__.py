"""The Owner's Desk: where handoffs are kept, queued and answered by people (docs/desk.md)."""
