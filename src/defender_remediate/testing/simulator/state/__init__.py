"""What a simulated tenant consists of."""
