"""The networks with which Table 1 of the paper compares ProMISe. Each module has one, or code that they share."""
