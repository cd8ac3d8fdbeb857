"""The networks with which the paper's Table 1 compares ProMISe. Each file has one of them or a shared part."""
