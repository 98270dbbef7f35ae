"""What speaks to Slicer's scene and to the worker process, in Slicer and on slicer-core; Qt only in ``qt_*`` files."""
