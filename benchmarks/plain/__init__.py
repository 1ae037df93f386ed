"""Plain implementations of what released codes do: the other side of the measurements."""
