"""Microsoft.Web: application settings and the state of apps."""
