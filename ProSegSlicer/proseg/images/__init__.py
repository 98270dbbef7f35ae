"""Image files and their geometry: reading, names, headers, orientation, grids, and what is fit to be segmented."""
