"""Microsoft.ContainerService: the credentials of clusters."""
