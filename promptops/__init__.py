"""promptops: versions prompts, model pins and parameters of an app together as one immutable release.

The command line is the face of this package for now; what an application needs at run time will be exported here.
"""

__version__ = "0.1.0"
