"""From one T2W image to a result: locate, segment, clean up, measure, doubt."""
