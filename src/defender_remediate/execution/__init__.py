"""Applies a plan: runs it in waves on threads, and executes and proves each step."""
