"""DICOM: what a folder holds, which series is the T2W one, its volume, and segmentations for an archive."""
