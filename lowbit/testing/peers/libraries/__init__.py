"""One file a library. Each defines `PEER`; none is imported before it is asked for, and no library before it is run.

The libraries are no dependencies of lowbit: those that the extra `test` does not bring are imported by name.
"""
