"""What becomes of a result: files, reports, pictures and reviews."""
