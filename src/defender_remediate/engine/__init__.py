"""The cycle: plan, apply, verify. The only package with threads, and the only caller of executors."""
