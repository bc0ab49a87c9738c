"""Agent+: where the driver is going. Trips → places → next destination and route, with a calibrated probability.

Nothing of this is a fixed rule: everything is counted from the driver's own trips, decays, and can be erased (store.py).
"""
