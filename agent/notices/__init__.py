"""Agent+ speaks up: what lies ahead on the predicted or set route, said once, at a good moment, within a budget."""
