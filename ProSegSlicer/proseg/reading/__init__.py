"""From whatever a user names to one T2W image, or to the cases of a folder."""
