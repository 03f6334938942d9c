"""Statistics: how often the procedures of dropexp.analysis err, in simulated studies whose truth is known."""
