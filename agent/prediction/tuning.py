"""What the prediction assumes before it has seen anything: widths and rates of the world, not fitted to anybody's drives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    fast_days: float = 10.0
    """half-life of what was done lately"""
    slow_days: float = 120.0
    """half-life of old habits"""
    hour_width: float = 1.3
    """hours: how far apart two departures still are "the same time" (standard deviation)"""
    part_of_day: float = 2.5
    """hours: how far apart two departures still are the same part of the day"""
    origin_width_m: float = 200.0
    lean: float = 4.0
    """drives that what is wider counts as, when something narrower is asked"""
    trusting: float = 0.4
    """share of `lean` of the view that believes a narrow context sooner"""
    forget: float = 0.95
    """how much of the views' record is left a drive later"""
    new_places: float = 3.0
    """drives' worth of belief that anything is possible, at the start"""
    given_up: float = 0.01
    """odds that a habit has just ended"""
    home: float = 2.0
    """drives' worth of belief that one drives to where the nights are spent"""
    back: float = 1.0
    """drives' worth of belief that one drives back where one came from"""
    began: float = 0.3
    """what a drive that began at a place counts as a visit to it"""
    stay: float = 0.03
    """weight left to a place one is just leaving"""
    path_off_m: float = 100.0
    """how far two drives on the same road are measured apart"""
    branch_m: float = 350.0
    """a road branches about this often"""
    branches: float = 8.0
    """no earlier drive speaks more than this for itself"""
    way_back: float = 0.4
    """how much a drive from a place says about the road to it"""
    detour_m: float = 120.0
    detour_share: float = 0.25
    """detours: so many metres and so much of what was driven are nothing unusual"""
    direct: float = 0.6
    """share of drives that head straight for their destination"""
    candidates: int = 80
    """earlier drives whose geometry is compared"""
    speak: float = 0.5
    """probability from which on a destination is spoken of"""
