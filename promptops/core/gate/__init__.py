"""The gate of a channel: whether what is known of a release is enough to let it through. Pure, nouns in, verdicts out.

Each check is a module: what it asks, and which evidence it reads. The worst verdict decides and only PASS opens; what
is missing is never a pass.
"""
