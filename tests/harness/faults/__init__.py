"""The fault harness: what promptops does when processes, disks, servers and git fail. Run by ``make faults``."""
