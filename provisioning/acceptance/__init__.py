"""The acceptance check of a box: what is measured, the sheet that says so, its signature and its way to the centre."""
