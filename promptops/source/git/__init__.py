"""Git as a store of files and facts: commits, objects and refs of one repository."""
