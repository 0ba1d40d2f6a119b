"""Places that section data sets come from, behind one protocol."""
