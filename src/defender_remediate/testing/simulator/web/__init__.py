"""Microsoft.Web (App Service): the contracts of its answers, apps and slots, their settings, plans and keys."""
