"""Networks with which Table 1 of the paper compares ProMISe. Each module holds one network, or code that they share."""
