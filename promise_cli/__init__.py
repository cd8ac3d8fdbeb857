"""ProMISe: outline a tumour in a 3D scan with one click.

The flow, by file name:

    dataset -> fingerprint -> plan -> case -> samples (patch + clicks) -> model -> losses
    scan + clicks -> predict -> volume -> metrics -> report
"""

__version__ = "0.1.0"
