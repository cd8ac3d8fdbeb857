"""One file per stage. Each prints a line of JSON as soon as it has measured something."""
