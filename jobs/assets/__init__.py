"""What happens to an asset's bytes: they are looked at, stored once, and swept when nothing holds them any more."""
