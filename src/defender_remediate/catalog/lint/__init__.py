"""What must be true of every fix, proven on bodies that are made for it. Nothing here runs unless it is asked to."""
