"""How files are written, read, found and locked.

`atomic` writes files that appear whole or not at all. `records` stores dataclasses as JSON. `workspace` finds datasets
and runs. `lock` keeps two processes from doing the same work.
"""
