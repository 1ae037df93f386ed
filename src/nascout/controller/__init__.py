"""Learned controllers: a recurrent network that decides, one decision after another."""
