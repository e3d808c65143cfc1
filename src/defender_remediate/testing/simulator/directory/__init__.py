"""Microsoft Entra ID as Microsoft Graph shows it: users, groups, applications, roles and policies."""
