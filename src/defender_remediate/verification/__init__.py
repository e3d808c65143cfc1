"""Checks what a run left: reads the targets back, reads Defender's status and diagnoses what is not healthy yet."""
