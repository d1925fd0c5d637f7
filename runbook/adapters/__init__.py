"""What touches the world: the only place that talks to drivers, hosts and files of others."""
