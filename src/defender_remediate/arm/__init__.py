"""The only package that speaks HTTP to Azure Resource Manager."""
