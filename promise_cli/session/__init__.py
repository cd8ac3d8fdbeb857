"""A scan open for clicks: windows placed, encoded, followed into their neighbours, and fused into one mask.

Nothing is exported here: what only asks for a limit or for tissue must not load torch.
"""
