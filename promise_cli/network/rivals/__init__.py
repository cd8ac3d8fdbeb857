"""The networks that the paper's Table 1 compares ProMISe with; each file names one, or a part that several share."""
