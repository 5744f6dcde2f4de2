"""Faults that no save may be lost by: killed processes, power cuts, full and failing disks, cut connections, and tampering hands."""
