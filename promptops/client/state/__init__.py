"""What a client serves at a moment: releases, and how a prompt is looked up in them."""
