"""The controls that a test uses, one module per attribute of the simulator."""
