"""Statistics: how often words err and intervals hold, by simulation with the functions that studies are judged by."""
