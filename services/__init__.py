"""The exchange's services, with the functional core and the kit that they share."""
