"""Pure decisions: no Twisted, clock, socket, file or random number in here."""
