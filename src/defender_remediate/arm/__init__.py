"""Sends requests to Azure Resource Manager. The only package that uses HTTP."""
