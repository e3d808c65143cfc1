"""The cycle: plan, apply, verify, resume, roll back. The only package with threads, and the only caller of executors."""
