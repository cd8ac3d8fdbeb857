"""Measurements for the first quarter of an hour on a graphics card; `README.md` has the plan."""
